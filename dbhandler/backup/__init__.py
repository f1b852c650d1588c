"""Backups: the binary logs of every server of a pool, bases, their proof, and restores."""
