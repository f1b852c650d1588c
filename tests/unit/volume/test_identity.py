"""Data that were served with another key are served, and everybody who looks is told; on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InRun
from dbhandler.requests.box import fingerprint
from dbhandler.trust.safe import Safe
from dbhandler.volume.data_dir import MARKER, STAMP, UNKEYED
from dbhandler.volume.identity import ServerIdentity, accept, kept_key


class Made:
    """A data directory and a run folder, and servers with one key or another over them."""

    def __init__(self, folder: Path) -> None:
        self.data, self.run = folder / "data", folder / "run"
        for made in (self.data, self.run):
            made.mkdir()

    def stamp(self, text: str) -> None:
        (self.data / STAMP).write_text(text)

    def started(self, key: str, is_new: bool = False, vouched: bool = False) -> ServerIdentity:
        return ServerIdentity(self.data, self.run, key, is_new, vouched)

    def accept(self, key: str) -> None:
        accept(self.data, self.run, key)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("ERROR")
    return caplog


@pytest.mark.parametrize(("stamp", "is_new"), [(UNKEYED, True), (UNKEYED, False), ("", False)])
def test_data_that_remember_no_key_take_the_present_one(
    made: Made, errors: pytest.LogCaptureFixture, stamp: str, is_new: bool
) -> None:
    made.stamp(stamp)
    for _ in range(2):
        identity = made.started("one", is_new)
        assert (identity.complaint(), identity.tags()) == (None, {})
    assert errors.messages == []
    assert made.started("two").complaint()


def test_before_there_are_data_nothing_is_said(made: Made) -> None:
    identity = made.started("one", is_new=True)
    assert (identity.complaint(), identity.tags()) == (None, {})
    assert not (made.run / InRun.IDENTITY).exists()
    made.stamp(UNKEYED)
    identity.tags()
    assert (made.run / InRun.IDENTITY).exists()
    assert made.started("two").complaint()


def test_data_that_are_just_being_filled_belong_to_whoever_fills_them(made: Made) -> None:
    (made.data / MARKER).touch()
    identity = made.started("one", is_new=True)
    assert (made.run / InRun.IDENTITY).read_text() == ""
    (made.data / MARKER).unlink()
    made.stamp(UNKEYED)
    identity.tags()
    assert made.started("two").complaint()


def test_another_key_is_told_at_every_start_until_it_is_accepted(made: Made, errors: pytest.LogCaptureFixture) -> None:
    made.stamp(UNKEYED)
    made.started("one")
    for number in (1, 2):
        identity = made.started("two", is_new=number == 1)
        assert identity.tags() == {"was": fingerprint("one")}
        assert len(errors.messages) == number
        assert "has lost its state volume" in str(identity.complaint())
        assert (made.run / InRun.IDENTITY).read_text() == f"{identity.complaint()}\n"
    made.accept("two")
    assert identity.complaint() is None
    assert (made.run / InRun.IDENTITY).read_text() == ""
    # Applications of the first key may come at any time.
    assert made.started("two").tags() == {"was": fingerprint("one")}
    made.started("three")
    made.accept("three")
    made.accept("three")
    assert made.started("three").tags() == {"was": f"{fingerprint('one')}.{fingerprint('two')}"}
    assert len(errors.messages) == 3


def test_the_former_state_mounted_again_is_no_error(made: Made) -> None:
    made.stamp(UNKEYED)
    made.started("one")
    made.started("two")
    identity = made.started("one")
    assert (identity.complaint(), identity.tags()) == (None, {})
    assert (made.run / InRun.IDENTITY).read_text() == ""


def test_data_of_a_former_version_whose_state_is_gone(made: Made) -> None:
    made.stamp("")
    for is_new in (True, False):
        identity = made.started("two", is_new)
        assert identity.complaint()
        assert identity.tags() == {}
    made.accept("two")
    assert made.started("two").complaint() is None


def test_without_data_there_is_nothing_to_accept(made: Made) -> None:
    with pytest.raises(DbHandlerError, match="holds no data"):
        made.accept("one")


@pytest.mark.parametrize("spoilt", ["[]", "7", '{"key": 7, "former": 7}', "\0", '{"former": ["x"]}'])
def test_a_spoilt_stamp_holds_no_key(made: Made, spoilt: str) -> None:
    made.stamp(spoilt)
    assert made.started("one").complaint() is None


def test_a_lost_state_volume_is_no_error_where_the_pool_s_secret_vouches(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    made.stamp(UNKEYED)
    made.started("one", vouched=True)
    assert caplog.messages == []
    for is_new in (True, False):
        identity = made.started("two", is_new, vouched=True)
        assert (identity.complaint(), identity.tags()) == (None, {"was": fingerprint("one")})
        assert (made.run / InRun.IDENTITY).read_text() == ""
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "applications know this server by the pool's secret" in caplog.text
    made.started("three", is_new=True, vouched=True)
    assert made.started("three").tags() == {"was": f"{fingerprint('one')}.{fingerprint('two')}"}


def test_a_state_volume_that_is_another_server_s_is_an_error_whoever_vouches(made: Made) -> None:
    made.stamp(UNKEYED)
    made.started("one", vouched=True)
    identity = made.started("two", vouched=True)
    assert "or has another server's" in str(identity.complaint())
    assert identity.tags() == {"was": fingerprint("one")}


def test_nobody_vouches_for_data_of_which_the_former_key_is_unknown(made: Made) -> None:
    # There is no application that a tag could lead here.
    made.stamp("")
    identity = made.started("two", is_new=True, vouched=True)
    assert identity.complaint() and identity.tags() == {}


class Keeping:
    """Keeps a key as the agent does, and counts how often."""

    def __init__(self, private: bytes, *secrets: bytes) -> None:
        self.private, self.safe, self.closed = private, Safe(secrets), 0

    def __call__(self, kept: str | None) -> str:
        if kept and self.safe.is_current(kept):
            return kept
        self.closed += 1
        return self.safe.close(self.private)


OLD, NEW = bytes([1]) * 32, bytes([2]) * 32


def test_data_hold_their_servers_key_for_whoever_has_the_secret(made: Made) -> None:
    made.stamp(UNKEYED)
    keeping = Keeping(b"k" * 32, OLD)
    for _ in range(2):
        ServerIdentity(made.data, made.run, "one", False, True, keeping)
    assert keeping.closed == 1
    assert kept_key(made.data, Safe([OLD])) == b"k" * 32
    assert kept_key(made.data, Safe([NEW])) is None
    # While the secret is changed it is closed anew, once.
    changing = Keeping(b"k" * 32, NEW, OLD)
    for _ in range(2):
        ServerIdentity(made.data, made.run, "one", False, True, changing)
    assert changing.closed == 1
    assert kept_key(made.data, Safe([NEW])) == b"k" * 32
    assert made.started("one").complaint() is None


def test_a_key_that_is_not_the_datas_is_not_kept(made: Made) -> None:
    made.stamp(UNKEYED)
    ServerIdentity(made.data, made.run, "one", False, True, Keeping(b"1" * 32, OLD))
    ServerIdentity(made.data, made.run, "another server's", False, True, Keeping(b"2" * 32, OLD))
    assert kept_key(made.data, Safe([OLD])) == b"1" * 32
    made.accept("another server's")
    assert kept_key(made.data, Safe([OLD])) is None
    ServerIdentity(made.data, made.run, "another server's", False, True, Keeping(b"2" * 32, OLD))
    assert kept_key(made.data, Safe([OLD])) == b"2" * 32


@pytest.mark.parametrize("stamp", ["", "{}", '{"key": "k"}', '{"key": "k", "kept": 7}', '{"key": "k", "kept": "x"}'])
def test_data_that_hold_no_key_give_none(made: Made, stamp: str) -> None:
    assert kept_key(made.data, Safe([OLD])) is None
    made.stamp(stamp)
    assert kept_key(made.data, Safe([OLD])) is None


def test_what_is_no_key_is_none_of_a_server(made: Made) -> None:
    made.stamp(json.dumps({"key": "k", "kept": Safe([OLD]).close(b"short")}))
    assert kept_key(made.data, Safe([OLD])) is None
