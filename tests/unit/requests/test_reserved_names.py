"""Names whose folder would stand where a server or one of its tools has a file."""

from __future__ import annotations

import re

import pytest

from dbhandler.errors import InvalidRequest
from dbhandler.requests.payload import Request
from dbhandler.requests.policy import Policy
from dbhandler.requests.reserved_names import folder_name

FILES = """
ibdata1 ibdata2 ibdata ibtmp1 ib_logfile0 ib_logfile1 ib_logfile101 ib_buffer_pool ib_lru_dump ib_redo17
undo001 undo_001 undo127 undo_99 aria_log_control aria_log maria_log_control
mysql_upgrade_info mariadb_upgrade_info mysql_upgrade_history RPM_UPGRADE_MARKER RPM_UPGRADE_HISTORY
xtrabackup_checkpoints xtrabackup_galera_info mariadb_backup_info mariadb_backup_checkpoints ibbackup_logfile
donor_galera_info sst_in_progress rsync_sst_complete backup_sst_complete tables_flushed sst_error
GCS_DEBUG_TRACE ndb_2_fs __tokudb_lock_dont_delete_me_data pbxt
shop_sst_in_progress shopRPM_UPGRADE_MARKER
"""
"""The last two: what ends so, a state transfer does not clear away."""


@pytest.mark.parametrize("name", FILES.split())
def test_a_file_of_the_servers_is_no_database_whatever_the_owner_allows(name: str) -> None:
    written = {form for word in (name, f"{name}7") for form in (word, word.upper(), word.title())}
    for policy in (Policy(), Policy(name_pattern=re.compile(".*"))):
        for request in (Request(form, sealed=box) for form in written for box in (None, "Ym94")):
            with pytest.raises(InvalidRequest, match="belongs to the server itself, for a schema or a file: "):
                policy.check(request)


@pytest.mark.parametrize(
    "name",
    [
        # Dotless i, I with a dot, long s, i with an accent, full-width letters, the sign of Kelvin.
        "\u0131bdata1",
        "\u0130BDATA1",
        "my\u017fql",
        "\u00cdNFORMATION_SCHEMA",
        "\uff49\uff42\uff54\uff4d\uff50\uff11",
        "ibbac\u212aup_x",
    ],
)
def test_letters_that_a_server_takes_for_basic_ones_do_not_help(name: str) -> None:
    with pytest.raises(InvalidRequest, match="belongs to the server itself"):
        Policy(name_pattern=re.compile(".*")).check(Request(name))


ORDINARY = """
shop undo undone aria library ibiza ibdatabase ib infobin master relay_log binlog tc grastate gvwstate galera auto test
tmp temp log_bin slow general error upgrade mysql_app mariadb performance innodb mysqld sst backup ib-logfile0
xtrabackup sys_x mysql1 ibtmp-1 undo-001 core
"""


@pytest.mark.parametrize("name", ORDINARY.split())
def test_an_ordinary_name_is_served(name: str) -> None:
    Policy().check(Request(name))


@pytest.mark.parametrize("name", ["multi-master.info", "tc.log", "grastate.dat", "ib_logfile0.", "lost+found", ".sst"])
def test_a_name_with_other_signs_has_a_folder_that_is_nobodys_file(name: str) -> None:
    assert re.search("@00[0-9a-f]{2}", folder_name(name))
