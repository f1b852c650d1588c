"""Keys that come after the rows: only those that nothing needs before, and in tables that are written as expected."""

from __future__ import annotations

import pytest

from dbhandler.provisioning.late_keys import with_late_keys

TABLE = b"""CREATE TABLE `items` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `k` int(11) NOT NULL DEFAULT 0 COMMENT 'a key, `k`,',
  `o``dd` varchar(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`o``dd`),
  KEY `k` (`k`),
  KEY `both` (`k`,`id`) COMMENT 'x',
  KEY `f` ((lower(`o``dd`))),
  FULLTEXT KEY `t` (`o``dd`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='(\n) x'"""
WITHOUT = b"""CREATE TABLE `items` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `k` int(11) NOT NULL DEFAULT 0 COMMENT 'a key, `k`,',
  `o``dd` varchar(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`o``dd`),
  FULLTEXT KEY `t` (`o``dd`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='(\n) x'"""
KEYS = b"ALTER TABLE `items` ADD KEY `k` (`k`), ADD KEY `both` (`k`,`id`) COMMENT 'x', ADD KEY `f` ((lower(`o``dd`)))"


def test_plain_keys_come_later() -> None:
    assert with_late_keys(TABLE, ()) == (WITHOUT, KEYS)


def test_a_table_that_a_foreign_key_leads_to_has_them_from_the_start() -> None:
    assert with_late_keys(TABLE, [b"items"]) == (TABLE, None)
    assert with_late_keys(TABLE, [b"item", b"ITEMS"])[1] == KEYS
    odd = TABLE.replace(b"TABLE `items`", b"TABLE `it``ems`")
    assert with_late_keys(odd, [b"it`ems"]) == (odd, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"  KEY `k` (`k`)", b"  CONSTRAINT `c` FOREIGN KEY (`k`) REFERENCES `other` (`id`)"),
        (b"ENGINE=InnoDB", b"ENGINE=MyISAM"),
        (b" DEFAULT CHARSET", b" WITH SYSTEM VERSIONING DEFAULT CHARSET"),
        (b"  KEY `k`", b"  PERIOD FOR `p` (`a`,`b`),\n  KEY `k`"),
        (b"CREATE TABLE", b"/*!50001 CREATE TABLE"),
        # Text that nobody has thought of.
        (b"  KEY `k`", b"  SOMETHING NEW `k`"),
        (b"'a key, `k`,'", b"'a\nkey'"),
    ],
)
def test_what_is_not_certain_stays_as_it_is(old: bytes, new: bytes) -> None:
    text = TABLE.replace(old, new)
    assert text != TABLE
    assert with_late_keys(text, ()) == (text, None)


def test_the_key_of_the_numbers_that_the_engine_gives_stays() -> None:
    text = TABLE.replace(b"  PRIMARY KEY (`id`),\n", b"  KEY `n` (`id`),\n")
    without, keys = with_late_keys(text, ())
    assert b"  KEY `n` (`id`),\n" in without and keys == KEYS


def test_without_plain_keys_nothing_is_changed() -> None:
    for text in (WITHOUT, b"DROP TABLE IF EXISTS `items`", b"CREATE TABLE `a` (\n  `b` int(11)\n) ENGINE=InnoDB"):
        assert with_late_keys(text, ()) == (text, None)
