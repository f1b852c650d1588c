"""Databases move: from the server that has one to another server of the pool, while it is written to.

Uses provisioning, directory, distant and below. Each side works on its own server alone; what they agree on are steps
in the directory's row, each of which one of them takes.
"""
