"""The part of MySQL's Group Replication: what a data directory and its server say, how one begins and how one joins."""
