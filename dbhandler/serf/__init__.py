"""The Serf agent: its RPC, its members (hostile input, parsed once), this node's place among them, its process.

Nothing here knows a database. Uses settings and below.
"""
