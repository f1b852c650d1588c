"""What the engines' dump programs write, taken apart."""

from __future__ import annotations

import pytest

from dbhandler.provisioning.dump_statements import Kind, statements

MARIADB = rb"""/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19
--
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*M!100616 SET @OLD_NOTE_VERBOSITY=@@NOTE_VERBOSITY, NOTE_VERBOSITY=0 */;

DROP TABLE IF EXISTS `t`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
CREATE TABLE `t` (
  `id` int(11) NOT NULL COMMENT 'a;b',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
INSERT INTO `t` VALUES
(1,'one;\nDELIMITER ;;'),
(2,'-- two');
-- a comment
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`shop`@`%`*/ /*!50003 TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN
SET NEW.id = 1;
END */;;
DELIMITER ;
/*!50001 CREATE VIEW `v` AS SELECT 1 */;
"""


def test_each_statement_is_what_it_is_for() -> None:
    found = list(statements(MARIADB.splitlines(keepends=True)))
    assert [statement.kind for statement in found] == [
        Kind.SESSION, Kind.SESSION, Kind.SESSION, Kind.TABLE, Kind.SESSION, Kind.TABLE, Kind.ROWS,
        Kind.OTHER, Kind.OTHER,
    ]  # fmt: skip
    assert found[3].text == b"DROP TABLE IF EXISTS `t`"
    assert found[6].text == b"INSERT INTO `t` VALUES\n(1,'one;\\nDELIMITER ;;'),\n(2,'-- two')"
    assert found[7].text.endswith(b"SET NEW.id = 1;\nEND */")


@pytest.mark.parametrize(
    "line", [b"INSERT INTO t VALUES (1);\n", b"INSERT INTO t VALUES (1);", b"REPLACE INTO t () ;\r\n"]
)
def test_rows_on_one_line(line: bytes) -> None:
    [statement] = statements([line])
    assert statement.kind is Kind.ROWS and b";" not in statement.text


def test_what_is_cut_off_is_not_kept_back() -> None:
    """The server is to refuse it: a dump that ends in the middle is none."""
    [statement] = statements([b"CREATE TABLE t (\n", b"id INT\n"])
    assert statement.kind is Kind.OTHER and statement.text == b"CREATE TABLE t (\nid INT\n"


def test_nothing_is_nothing() -> None:
    assert list(statements([b"\n", b"-- x\n", b"   \n"])) == []
