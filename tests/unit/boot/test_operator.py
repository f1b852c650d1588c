"""What the audit trail is told of the operator's commands: what they changed, and what was refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from dbhandler.audit.record import Entry
from dbhandler.boot import operator
from dbhandler.boot.operator import Operator
from dbhandler.engine import sql
from dbhandler.errors import DbHandlerError, Denied, InvalidRequest, ServerError, Unavailable
from dbhandler.provisioning.replacing import Replacer
from dbhandler.provisioning.restore import Restorer
from dbhandler.requests.box import Credentials, Keys
from dbhandler.settings.config import Config
from dbhandler.volume.data_dir import STAMP
from tests.support.fakes import RecordingServer


class Site:
    """An operator at a server that holds `shop`, and what the trail was told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, list[Entry]()
        Keys(folder / "key")
        self.config = Config.from_environ({
            "DBHANDLER_ENGINE": "mariadb", "DBHANDLER_STATE_DIR": str(folder), "DBHANDLER_DATA_DIR": str(folder),
            "DBHANDLER_RUN_DIR": str(folder),
        })  # fmt: skip

    def run(self, command: str) -> None:
        """Carries a command line out."""
        options = operator._parser().parse_args(command.split())
        server = RecordingServer({sql.database_exists("shop"): [(1,)]})
        with operator._refusals_told(options, self.told.append):
            options.act(Operator(self.config, server, self.told.append), options)  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(Restorer, "owner", lambda _, name: "app" if name == "shop" else None)
    return Site(tmp_path)


def test_a_password_that_is_issued_again_is_told_and_stands_nowhere(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.run("reissue shop")
    assert site.told == [Entry("reissue", "reissued", "shop", "app", origin="operator")]
    password = json.loads(capsys.readouterr().out)["password"]
    assert password not in str(site.told)


def test_a_restore_is_told_with_its_dump(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = site.folder / "shop-20260101T000000Z-0123456789abcdef.sql.gz"
    made: list[Credentials | None] = [Credentials("shop", "app", "a password"), None]
    monkeypatch.setattr(Operator, "_dump", lambda *_: dump)
    monkeypatch.setattr(Restorer, "restore", lambda *_: made.pop(0))
    site.run("restore shop")
    site.run("restore shop --as shop_old")
    assert site.told == [
        Entry("restore", "restored", "shop", "app", origin="operator", dump=dump.name),
        Entry("restore", "restored", "shop_old", origin="operator", dump=dump.name),
    ]


def test_a_replacement_is_told_with_what_was_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Replacer, "replace", lambda *_: "shop-1.sql.gz")
    site.run("replace shop --by shop_then")
    assert site.told == [
        Entry("replace", "replaced", "shop", reason="by 'shop_then'", origin="operator", dump="shop-1.sql.gz")
    ]


def test_an_accepted_state_is_told(site: Site) -> None:
    (site.folder / STAMP).write_text('{"key": "other"}')
    site.run("accept-state")
    assert site.told == [Entry("accept_state", "accepted", origin="operator")]


@pytest.mark.parametrize(
    ("command", "entry"),
    [
        ("reissue blog", Entry("reissue", "invalid", "blog", reason="there is no database 'blog'", origin="operator")),
        ("restore shop", Entry("restore", "invalid", "shop", origin="operator")),
        ("replace shop --by shop", Entry("replace", "invalid", "shop", origin="operator")),
        ("reissue mysql", Entry("reissue", "invalid", "mysql", origin="operator")),
    ],
)
def test_what_is_refused_is_told_with_its_reason(site: Site, command: str, entry: Entry) -> None:
    with pytest.raises(DbHandlerError) as caught:
        site.run(command)
    [told] = site.told
    assert told.reason == str(caught.value)
    assert (told.operation, told.outcome, told.database, told.origin) == (
        entry.operation, entry.outcome, entry.database, entry.origin,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Denied("no"), "denied"),
        (InvalidRequest("no"), "invalid"),
        (ServerError("no", 1), "failed"),
        (KeyboardInterrupt(), "unknown"),
        (Unavailable("away"), None),
    ],
)
def test_how_it_ends(site: Site, error: BaseException, outcome: str | None) -> None:
    options = argparse.Namespace(changes="restore", name="shop")
    with pytest.raises(type(error)), operator._refusals_told(options, site.told.append):
        raise error
    assert [told.outcome for told in site.told] == [outcome] * (outcome is not None)


def test_what_changes_nothing_is_not_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.run("dumps")
    assert capsys.readouterr().out.startswith("DUMP")
    with pytest.raises(Denied), operator._refusals_told(argparse.Namespace(changes=None), site.told.append):
        raise Denied("no")
    assert site.told == []
