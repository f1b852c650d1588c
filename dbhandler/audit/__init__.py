"""Who did what: one line for each thing that changed or was refused, each with the hash of the one before.

Uses settings and below.
"""
