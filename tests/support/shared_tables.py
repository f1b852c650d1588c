"""Which tables are equal on all nodes of a cluster."""

from __future__ import annotations

SHARED_TABLES = """
SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('information_schema', 'performance_schema')
AND NOT (table_schema = 'mysql' AND table_name RLIKE '^(wsrep_|innodb_|general_log|slow_log|gtid_|slave_|.*_stats$)')"""
"""All but what each server keeps for itself: statistics, logs, its own place in the group."""
