"""A server without network, played by small shell programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbhandler.engine import private_server
from dbhandler.engine.private_server import OPTIONS, PrivateServer
from dbhandler.errors import DbHandlerError, ServerError, Unavailable


class Visitor:
    """Tries to connect with the results that a test sets; the last one stays."""

    def __init__(self, *results: Exception | None) -> None:
        self._results = list(results)
        self.tried = 0

    def connect(self) -> None:
        self.tried += 1
        result = self._results.pop(0) if len(self._results) > 1 else self._results[0]
        if result:
            raise result


AWAY = Unavailable("the database server does not answer")


def serving(script: str = "sleep 60 & wait $!") -> PrivateServer:
    return PrivateServer(["sh", "-c", f"trap 'exit 0' TERM; {script}", "server"], {"PATH": "/bin:/usr/bin"})


def test_it_gets_the_options_that_keep_the_network_out(tmp_path: Path) -> None:
    script = f'echo "$@" > {tmp_path}/options; env > {tmp_path}/environ; kill -STOP $$'
    private = PrivateServer(["sh", "-c", script, "server", "--given"], {"PATH": "/bin:/usr/bin"}, ["--init-file=x"])
    with private:
        while not (tmp_path / "environ").exists() or "PATH" not in (tmp_path / "environ").read_text():
            pass
        # It cannot be asked to stop while it stands still.
        assert private._process
        private._process.kill()
        private._process.wait()
        private._process.returncode = 0
    assert (tmp_path / "options").read_text().split() == ["--given", *OPTIONS, "--init-file=x"]
    assert "HOME" not in (tmp_path / "environ").read_text()


def test_it_waits_until_it_is_let_in_and_stops_in_order() -> None:
    visitor = Visitor(AWAY, AWAY, None)
    with serving() as private:
        private.wait_for(visitor)  # type: ignore[arg-type]
    assert visitor.tried == 3
    assert private._process and private._process.returncode == 0


def test_a_refusal_is_not_waited_for() -> None:
    with pytest.raises(ServerError), serving() as private:
        private.wait_for(Visitor(AWAY, ServerError("no", 1045)))  # type: ignore[arg-type]
    assert private._process and private._process.poll() is not None


def test_a_server_that_ends_is_told_with_its_status() -> None:
    with pytest.raises(DbHandlerError, match="ended with status 7"), serving("exit 7") as private:
        private.wait_for(Visitor(AWAY))  # type: ignore[arg-type]


def test_a_server_that_never_serves_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_server, "START_TIMEOUT", 0.1)
    with pytest.raises(Unavailable), serving() as private:
        private.wait_for(Visitor(AWAY))  # type: ignore[arg-type]


def test_a_server_that_does_not_stop_in_order_is_an_error() -> None:
    private = PrivateServer(["sh", "-c", "trap 'exit 9' TERM; sleep 60 & wait $!"], {"PATH": "/bin:/usr/bin"})
    with pytest.raises(DbHandlerError, match="status 9"), private:
        # The trap has to be there first.
        while b"trap" not in Path(f"/proc/{private._process.pid}/cmdline").read_bytes():  # type: ignore[union-attr]
            pass
        import time

        time.sleep(0.5)


def test_a_server_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_server, "STOP_TIMEOUT", 0.3)
    private = PrivateServer(["sh", "-c", "trap '' TERM; sleep 60"], {"PATH": "/bin:/usr/bin"})
    with pytest.raises(DbHandlerError, match="status -9"), private:
        import time

        time.sleep(0.5)


def ending(status: int) -> PrivateServer:
    command = ["sh", "-c", f"sleep 0.1; exit {status}", "server"]
    return PrivateServer(command, {"PATH": "/bin:/usr/bin"}, ends_itself=16)


def test_one_that_ends_by_itself_is_waited_for_and_its_status_says_how_it_went() -> None:
    with ending(16) as private:
        pass
    assert private._process and private._process.returncode == 16
    with pytest.raises(DbHandlerError, match="ended with status 0"), ending(0):
        pass


def test_one_that_should_end_by_itself_is_stopped_when_the_block_fails() -> None:
    with pytest.raises(ServerError), ending(16):
        raise ServerError("no", 3870)
