"""Databases and accounts: made, handed over, rotated, dropped, restored, and whose they are.

How a request comes in and its answer goes out belongs to the agent. Uses engine and below, but no Serf.
"""
