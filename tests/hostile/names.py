"""Names that are files: what the engines, their tools, a state transfer or we keep in a data directory."""

from __future__ import annotations

_NUMBERED = (
    "ib_logfile", "ibdata", "ibtmp", "ib_buffer_pool", "undo", "undo_", "aria_log_", "aria_log.", "ibbackup_logfile",
    "binlog_", "mysql-bin", "relay-bin", "ib_modified_log_", "xtrabackup_undo", "innodb_status_", "ddl_log_", "ws_",
)  # fmt: skip
_PLAIN = (
    "ib_logfile0", "ib_logfile1", "ib_logfile101", "ib_logfile999", "ibdata1", "ibtmp1", "ib_buffer_pool", "undo001",
    "undo002", "undo003", "undo127", "undo_001", "undo_002", "undo_003", "aria_log_control", "aria_log_00000001",
    "aria_log", "multi-master", "ddl_recovery", "ddl_recovery-backup", "ddl_log", "tc", "galera", "galera_cache",
    "grastate", "gvwstate", "gcache", "ca-key", "server-key", "server-cert", "private_key", "public_key", "auto",
    "mysql_upgrade_info", "mariadb_upgrade_info", "mysqld-auto", "mysqld", "backup-my", "xtrabackup_info",
    "xtrabackup_checkpoints", "xtrabackup_logfile", "xtrabackup_galera_info", "xtrabackup_binlog_info",
    "mariadb_backup_info", "mariadb_backup_checkpoints", "mariadb_backup_galera_info", "mariadb_backup_binlog_info",
    "sst_in_progress", "wsrep_sst", "wsrep_recovery", "rsync_sst", "donor_galera_info", "innodb_backup", "innodb_redo",
    "innodb_temp", "lost", "test", "performance_schema_", "dbhandler", "dbhandler-filling", "dbhandler-ready",
    "template", "system_mysql_backup", "binlog", "binlog_index", "mysql-bin", "relay-log", "relay-log-recovery",
    "master", "slave", "error", "general", "slow", "debian-11", "core", "mysql_upgrade_history", "mysqlx",
)  # fmt: skip

SCHEMAS = ("mysql", "MYSQL", "MySql", "sys", "Sys", "information_schema", "INFORMATION_SCHEMA", "performance_schema")
"""Never to be touched, in any letter case."""


def file_names() -> list[str]:
    """Those, some in capitals, and the numbered ones with numbers of their own."""
    numbered = [f"{stem}{number}" for stem in _NUMBERED for number in ("0", "1", "7", "00000002", "4294967295")]
    return list(dict.fromkeys([*_PLAIN, *numbered, "IB_LOGFILE0", "Undo001", "IBDATA1", "Aria_Log_Control"]))
