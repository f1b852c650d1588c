"""One address for a cluster, or for each of several databases of a pool: HAProxy, kept true by what Serf's
members and the pool's servers say.

Uses group, client, serf and below, but no database server.
"""
