"""The admin account: killed at any point, the next start prints a password that works."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from dbhandler import passwords
from dbhandler.audit.record import Entry
from dbhandler.boot import admin
from dbhandler.boot.admin import AdminAccount
from dbhandler.engine import sql
from dbhandler.engine.password_hash import stored
from dbhandler.engine.sql import Statement
from dbhandler.errors import ServerError
from dbhandler.volume.data_dir import MARKER
from tests.support.fakes import RecordingServer

USER = "admin"


class Killed(BaseException):
    """What a SIGKILL looks like from inside a test: nothing that runs afterwards may catch it."""


class Fuse:
    """Kills after so many moments; every statement and every line printed has a moment before and one after."""

    def __init__(self, moments: int | None = None) -> None:
        self._left = moments

    def burn(self) -> None:
        if self._left == 0:
            raise Killed
        if self._left is not None:
            self._left -= 1


class AccountServer:
    """A server that knows accounts, and nothing else. It outlives the kills."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.granted: set[str] = set()
        self.root_at_home = True
        self.fuse = Fuse()

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        self.fuse.burn()
        try:
            return self._effect(statement)
        finally:
            self.fuse.burn()

    def _effect(self, statement: Statement) -> list[tuple[object, ...]]:
        if statement == sql.account_exists(USER):
            return [(1,)] if USER in self.hashes else []
        if statement == sql.grant_everything(USER):
            assert USER in self.hashes
            self.granted.add(USER)
            return []
        if statement == sql.proved_by_socket("root", "mariadb"):
            return [(1,)] if self.root_at_home else []
        hashed = str(statement.values[2])
        assert statement == sql.create_user_by_hash(USER, hashed, "%", "mariadb")
        self.hashes.setdefault(USER, hashed)
        return []

    def lets_in(self, password: str) -> bool:
        """Is that the admin's password, and the admin's account the only one?"""
        return self.hashes == {USER: stored(password, "mariadb")}


class Printer(io.StringIO):
    """The container's log, which outlives the kills as well."""

    fuse = Fuse()

    def write(self, text: str) -> int:
        self.fuse.burn()
        written = super().write(text)
        self.fuse.burn()
        return written


class World:
    """What survives from start to start."""

    def __init__(self, folder: Path) -> None:
        self.server, self.log, self.pending = AccountServer(), Printer(), folder / "admin.pending"
        self.told: list[Entry] = []

    def start(self, given: str | None = None, kill_after: int | None = None) -> str:
        """One start of dbhandler-admin; returns what it printed. Raises Killed."""
        before = len(self.log.getvalue())
        self.server.fuse = self.log.fuse = Fuse(kill_after)
        parts = (self.server, "mariadb", USER, given, self.pending, self.log, self._tell)
        AdminAccount(*parts).ensure()  # type: ignore[arg-type]
        return self.log.getvalue()[before:]

    def _tell(self, entry: Entry) -> None:
        self.log.fuse.burn()
        self.told.append(entry)
        self.log.fuse.burn()

    def printed_passwords(self) -> list[str]:
        return re.findall(r"mysql -uadmin -p(\S+) -h<host> -P<port>", self.log.getvalue())

    def killed(self, moment: int, given: str | None = None) -> bool:
        """Kills a start after so many moments; False when it had ended by then."""
        try:
            self.start(given, moment)
        except Killed:
            return True
        return False


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def moments(folder: Path, given: str | None = None) -> int:
    """The number of moments at which a first start can be killed."""
    folder.mkdir()
    world, count = World(folder), 0
    while world.killed(count, given):
        world, count = World(folder), count + 1
        world.pending.unlink(missing_ok=True)
    return count


def test_the_first_start_makes_the_account_and_prints_the_tutorials_banner(world: World) -> None:
    lines = world.start().splitlines()
    [password] = world.printed_passwords()
    assert world.server.lets_in(password)
    assert lines[:3] == ["=> Creating MySQL admin user with random password", "=> Done!", "=" * 72]
    assert lines[3:7] == [
        "You can now connect to this MySQL Server using:",
        "",
        f"    mysql -uadmin -p{password} -h<host> -P<port>",
        "",
    ]
    assert lines[7] == "Please remember to change the above password as soon as possible!"
    assert lines[8].startswith("MySQL user 'root' has no password but only allows local connections")
    assert lines[9:] == ["=" * 72]
    assert world.server.granted == {USER}
    assert not world.pending.exists()


def test_the_banner_says_what_is_true_of_root(world: World) -> None:
    world.server.root_at_home = False
    assert "root' logs in as the owner of this data directory has set it up" in world.start()


def test_a_generated_password_has_at_least_twenty_letters_and_digits() -> None:
    made = {passwords.generate(admin.PASSWORD_LENGTH) for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[A-Za-z0-9]{20,}", password) for password in made)


def test_a_second_start_prints_nothing_and_keeps_the_password(world: World) -> None:
    world.start()
    before = dict(world.server.hashes)
    assert world.start() == ""
    assert world.start(given="another") == ""
    assert world.server.hashes == before


def test_a_given_password_is_used_and_never_printed_or_stored(world: World, caplog: pytest.LogCaptureFixture) -> None:
    printed = world.start(given="owner's secret")
    assert world.server.lets_in("owner's secret")
    assert "secret" not in printed + caplog.text
    assert "given password" in printed
    assert world.printed_passwords() == []
    assert not world.pending.exists()


def test_a_generated_password_is_private_while_it_waits(world: World) -> None:
    # The account exists, the banner is not out.
    kill = next(n for n in range(100) if world.killed(n) and world.server.hashes)
    assert kill
    assert world.server.lets_in(world.pending.read_text())
    assert world.pending.stat().st_mode & 0o777 == 0o600


def test_killed_anywhere_the_next_start_leaves_a_printed_password_that_works(tmp_path: Path) -> None:
    total = moments(tmp_path / "count")
    assert total > 10
    for moment in range(total):
        folder = tmp_path / str(moment)
        folder.mkdir()
        world = World(folder)
        assert world.killed(moment)
        world.start()
        check_finished(world)


def test_killed_again_anywhere_in_the_next_start_the_third_makes_it_good(tmp_path: Path) -> None:
    total = moments(tmp_path / "count")
    for first in range(total):
        for second in range(total):
            folder = tmp_path / f"{first}-{second}"
            folder.mkdir()
            world = World(folder)
            world.killed(first)
            world.killed(second)
            world.start()
            check_finished(world)


def test_killed_anywhere_a_given_password_is_never_stored_or_printed(tmp_path: Path) -> None:
    for moment in range(moments(tmp_path / "count", "given")):
        folder = tmp_path / str(moment)
        folder.mkdir()
        world = World(folder)
        assert world.killed(moment, "given")
        assert not world.pending.exists() or world.pending.read_text() == ""
        world.start("given")
        assert world.server.lets_in("given")
        assert world.server.granted == {USER}
        assert world.printed_passwords() == []
        assert not world.pending.exists()


def test_an_owner_who_gives_a_password_after_a_kill_gets_one_that_works(tmp_path: Path) -> None:
    # Either the given one, or the generated one that had been taken into use before, and then it is printed.
    for moment in range(moments(tmp_path / "count")):
        folder = tmp_path / str(moment)
        folder.mkdir()
        world = World(folder)
        world.killed(moment)
        world.start("given")
        assert any(world.server.lets_in(password) for password in ("given", *world.printed_passwords()[-1:]))
        assert not world.pending.exists()


def test_a_server_that_refuses_leaves_the_password_for_the_next_start(world: World) -> None:
    world.server._effect = refuse_after(world.server._effect)  # type: ignore[method-assign, assignment]
    with pytest.raises(ServerError):
        world.start()
    waiting = world.pending.read_text()
    del world.server._effect
    world.start()
    assert world.server.lets_in(waiting)
    assert world.printed_passwords() == [waiting]


def test_the_containers_log_is_our_parents_standard_output(tmp_path: Path) -> None:
    child = "from dbhandler.boot.admin import container_log; print('banner', file=container_log())"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], stdout=subprocess.DEVNULL)"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", parent], stdout=log, check=True, timeout=30)
    assert (tmp_path / "log").read_text() == "banner\n"


@pytest.mark.parametrize("cluster", [{}, {"DBHANDLER_CLUSTER": "shop"}])
def test_a_server_outside_of_a_cluster_is_durable_before_anybody_can_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: dict[str, str]
) -> None:
    (tmp_path / MARKER).touch()
    monkeypatch.setattr(admin, "agent_server", refuse)
    environ = {"DBHANDLER_DATA_DIR": str(tmp_path), "DBHANDLER_ENGINE": "mariadb"} | cluster
    assert admin.main([], environ) == os.EX_TEMPFAIL
    # A node's directory is filled while this waits.
    assert (tmp_path / MARKER).exists() is bool(cluster)


class ReadOnly(RecordingServer):
    """A server that nobody is to write to."""

    def __enter__(self) -> ReadOnly:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_until_ready(self, *_: object) -> None:
        pass


def test_on_a_server_that_nobody_writes_to_no_account_is_made_and_the_start_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ReadOnly({sql.server_facts(): [("11.8", 3306, 1)]})
    monkeypatch.setattr(admin, "agent_server", lambda config: server)
    environ = {"DBHANDLER_RUN_DIR": str(tmp_path), "DBHANDLER_ENGINE": "mariadb", "DBHANDLER_DATA_DIR": str(tmp_path)}
    assert admin.main([], environ) == 0
    assert server.executed == [sql.server_facts()]
    assert (tmp_path / "ready").exists()


def refuse(_: object) -> NoReturn:
    raise ServerError("not yet", 1)


def test_a_wrong_setting_ends_it_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert admin.main([], {"MYSQL_ADMIN_USER": "root"}) == os.EX_TEMPFAIL
    assert "MYSQL_ADMIN_USER has to be" in capsys.readouterr().err


Effect = Callable[[Statement], list[tuple[object, ...]]]


def check_finished(world: World) -> None:
    assert world.server.lets_in(world.printed_passwords()[-1])
    assert world.server.granted == {USER}
    assert not world.pending.exists()
    # A kill between the line and the end of it has it told twice, never not at all.
    assert set(world.told) == {Entry("create_admin", "created", account=USER, origin="start")}
    told = len(world.told)
    assert told <= 3
    assert world.start() == ""
    assert len(world.told) == told


def refuse_after(effect: Effect) -> Effect:
    """Lets the look for the account through and refuses everything after it."""

    def refusing(statement: Statement) -> list[tuple[object, ...]]:
        if statement == sql.account_exists(USER):
            return effect(statement)
        raise ServerError("refused", 1819)

    return refusing
