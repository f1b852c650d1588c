"""DBHANDLER_AUDIT: a file or the container's log, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.errors import ConfigError
from dbhandler.settings.output import AuditSettings, audit_settings
from dbhandler.settings.setting import Reader


def read(value: str) -> AuditSettings | None:
    return audit_settings(Reader({"DBHANDLER_AUDIT": value}))


def test_where_the_trail_goes(tmp_path: Path) -> None:
    assert read("") is None
    assert read("stdout") == AuditSettings(None)
    assert read("/audit/trail") == AuditSettings(Path("/audit/trail"))
    (tmp_path / "setting").write_text("/audit/trail\n")
    assert audit_settings(Reader({"DBHANDLER_AUDIT_FILE": str(tmp_path / "setting")})) == read("/audit/trail")


@pytest.mark.parametrize("value", ["1", "STDOUT", "trail", "./trail", "/", "/audit/", "/a//b", "/a/../b", "/a\nb", "-"])
def test_anything_else_is_refused_with_a_sentence(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^DBHANDLER_AUDIT has to be stdout or the whole path of a file") as caught:
        read(value)
    assert str(caught.value).isprintable()
