"""SQL that an account of one database must not be able to run, on either engine."""

from __future__ import annotations

_STATEMENTS = """
-- Others' databases.
USE neighbour
SELECT * FROM neighbour.t
INSERT INTO neighbour.t VALUES ('x')
DROP DATABASE neighbour
CREATE TABLE neighbour.x (a INT)
RENAME TABLE mine.t TO neighbour.x
ALTER TABLE mine.t RENAME neighbour.x
ALTER DATABASE neighbour CHARACTER SET latin1
SHOW CREATE DATABASE neighbour
SHOW TABLES FROM neighbour
LOCK TABLES neighbour.t WRITE
HANDLER neighbour.t OPEN
CREATE TABLE copied AS SELECT * FROM neighbour.t
CREATE TABLE copied LIKE neighbour.t
CREATE VIEW seen AS SELECT * FROM neighbour.t
CALL neighbour.p()
CREATE TRIGGER neighbour.x BEFORE INSERT ON neighbour.t FOR EACH ROW SET @x = 1
CREATE TABLE child (word VARCHAR(20), FOREIGN KEY (word) REFERENCES neighbour.t (word))
SELECT * FROM `#mysql50#neighbour`.t
SELECT * FROM `../neighbour/t`
-- The server's own.
SELECT * FROM mysql.user
SELECT * FROM mysql.db
SELECT * FROM mysql.global_priv
UPDATE mysql.user SET User = 'x'
INSERT INTO mysql.db (Host, Db, User) VALUES ('%', 'neighbour', 'mine')
HANDLER mysql.user OPEN
SHOW GRANTS FOR 'neighbour'@'%'
SHOW CREATE USER 'neighbour'@'%'
SHOW ENGINE INNODB STATUS
SHOW BINARY LOGS
-- Accounts.
CREATE DATABASE more
CREATE USER more
CREATE ROLE more
DROP USER neighbour
RENAME USER neighbour TO more
ALTER USER neighbour IDENTIFIED BY 'another password'
SET PASSWORD FOR neighbour = PASSWORD('another password')
SET PASSWORD FOR 'neighbour'@'%' = 'another password'
GRANT ALL ON mine.* TO neighbour
GRANT SELECT ON *.* TO mine
GRANT ALL ON neighbour.* TO mine
GRANT SELECT ON mine.t TO neighbour
GRANT PROXY ON root@localhost TO mine
REVOKE ALL ON neighbour.* FROM neighbour
SET ROLE admin
SET DEFAULT ROLE admin FOR mine
SET SESSION AUTHORIZATION root@localhost
-- Files.
SELECT 'x' INTO OUTFILE '/var/lib/dbhandler/spool/x'
SELECT 'x' INTO DUMPFILE '/tmp/x'
LOAD DATA INFILE '/etc/passwd' INTO TABLE t
LOAD DATA INFILE '/var/lib/dbhandler/key' INTO TABLE t
LOAD XML INFILE '/etc/passwd' INTO TABLE t
SET SESSION innodb_tmpdir = '/var/lib/dbhandler/spool'
CREATE TABLESPACE x ADD DATAFILE '/var/lib/dbhandler/spool/x.ibd'
SET SESSION debug = 'd:t:o,/tmp/x'
CREATE UNDO TABLESPACE x ADD DATAFILE '/tmp/x.ibu'
SELECT 1 FROM t PROCEDURE ANALYSE() INTO OUTFILE '/tmp/x'
-- The server itself.
SET GLOBAL general_log = 1
SET GLOBAL max_connections = 1
SET GLOBAL read_only = 1
SET PERSIST max_connections = 1
SET GLOBAL general_log_file = '/tmp/x'
SET GLOBAL slow_query_log_file = '/var/lib/dbhandler/spool/x'
SET GLOBAL event_scheduler = ON
SET SESSION sql_log_bin = 0
SET SESSION max_user_connections = 0
INSTALL PLUGIN x SONAME 'auth_socket.so'
INSTALL SONAME 'auth_pam'
INSTALL COMPONENT 'file://component_validate_password'
CREATE FUNCTION sys_exec RETURNS INT SONAME 'lib_mysqludf_sys.so'
UNINSTALL PLUGIN auth_socket
SHUTDOWN
RESTART
CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1', DATABASE 'neighbour', USER 'root')
FLUSH TABLES WITH READ LOCK
FLUSH PRIVILEGES
FLUSH LOGS
RESET MASTER
RESET BINARY LOGS AND GTIDS
PURGE BINARY LOGS BEFORE NOW()
CHANGE MASTER TO MASTER_HOST = 'evil'
CHANGE REPLICATION SOURCE TO SOURCE_HOST = 'evil'
ALTER INSTANCE ROTATE INNODB MASTER KEY
ALTER INSTANCE RELOAD TLS
CLONE LOCAL DATA DIRECTORY '/tmp/x'
BACKUP STAGE START
LOCK INSTANCE FOR BACKUP
BINLOG 'AAAA'
XA RECOVER CONVERT XID
"""

_SOMEBODY_ELSE = ("root@localhost", "mysql@localhost", "'neighbour'@'%'", "admin@'%'")
_DEFINED = (
    "PROCEDURE d() SELECT * FROM neighbour.t", "FUNCTION d() RETURNS INT DETERMINISTIC RETURN 1", "VIEW d AS SELECT 1",
    "TRIGGER d BEFORE INSERT ON t FOR EACH ROW SET @x = 1",
    "EVENT d ON SCHEDULE EVERY 1 SECOND DO DROP DATABASE neighbour",
)  # fmt: skip


def forbidden() -> list[str]:
    """The account is `mine`, which has the table `t`; `neighbour` is another's."""
    plain = [line for line in _STATEMENTS.splitlines() if line and not line.startswith("--")]
    return plain + [f"CREATE DEFINER = {who} {what}" for who in _SOMEBODY_ELSE for what in _DEFINED]
