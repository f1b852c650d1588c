"""One address for a Galera cluster: HAProxy, kept true from the Serf members.

Uses group, serf and below, but no database server.
"""
