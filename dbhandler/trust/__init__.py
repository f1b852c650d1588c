"""Whom to believe: the secret of a pool, the keys that come from it, and what is signed with them.

Knows no Serf, no server and no environment. Uses the ground only.
"""
