"""The group of servers with the same data: what nodes say, who begins, how this one starts, its operator.

`cluster` is Serf's in this package, but for the names that users know: DBHANDLER_CLUSTER, dbhandler-cluster and the tag
`cluster`. Uses volume, first_start, engine, serf and below; no agent.
"""
