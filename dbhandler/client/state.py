"""What an application remembers of its database between two runs: one small private file."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from dbhandler import files, passwords
from dbhandler.errors import DbHandlerError, InvalidRequest, TryLater
from dbhandler.flock import is_locked
from dbhandler.log import shown
from dbhandler.requests.vocabulary import Role
from dbhandler.serf.members import is_key
from dbhandler.trust.signature import is_pool_id

T = TypeVar("T")

_PLAIN = re.compile(r"[A-Za-z0-9_$-][A-Za-z0-9_$.-]*")
"""Names that are a file's without further ado."""

PATIENCE = 10.0
"""Seconds for which another process that changes a state file is waited for: it is done in a moment."""


@dataclass(frozen=True)
class State:
    """The account as it was chosen, before anybody was asked for it; key is the public key of the server that has it
    (None until one said so), cluster the cluster that it was a node of, next_password is one whose rotation has
    been begun, pool the id of the pool whose servers are believed (None until one has proved to be of one), authority
    the fingerprint of who signs the server's certificate, role what an account may do that the database's owner has
    given (None: it is the owner's own), changed when the password was chosen or changed last, in seconds since 1970."""

    database: str
    user: str
    password: str
    key: str | None = None
    next_password: str | None = None
    cluster: str | None = None
    pool: str | None = None
    authority: str | None = None
    role: str | None = None
    changed: int | None = None

    def __repr__(self) -> str:
        return f"State({self.database!r}, {self.user!r})"

    def check_is_for(self, database: str, user: str | None) -> None:
        """Raises InvalidRequest where it is of another database, or of another account than user, where that is
        given."""
        if self.database != database or (user and self.user != user):
            raise InvalidRequest(f"the state file is for {shown(self.database)} as {shown(self.user)}")


def chosen(database: str, user: str, now: Callable[[], float] = time.time, **known: str | None) -> State:
    """A new account with a password of its own; known are more of a State's fields."""
    return State(database, user, passwords.generate(), changed=int(now()), **known)


def beside(state_file: Path, name: str, option: str) -> Path:
    """The state file of another database, beside one that is there. Raises InvalidRequest for a name that makes no
    file's: the option has to say where it is then."""
    if not _PLAIN.fullmatch(name):
        raise InvalidRequest(f"{option} FILE has to say where the account is kept: its name makes no file's")
    return state_file.with_name(f"{name}.json")


class StateFile:
    """A State in the file `path`, or in memory only where path is None."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load(self) -> State | None:
        """What was saved, None where nothing was. Raises DbHandlerError for a file that is not ours."""
        if self._path is None:
            return None
        try:
            return State(**_checked(files.read_json(self._path)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DbHandlerError(f"the state file {self._path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            raise DbHandlerError(
                f"the state file {self._path} is damaged, or was not written by dbhandler-request, and stays as it is: "
                "it should hold the password of the database, without which no server hands that over"
            ) from error

    def known(self) -> State:
        """The state of a database that was made. Raises InvalidRequest where there is none, DbHandlerError as load."""
        state = self.load()
        if state is None or state.key is None:
            raise InvalidRequest(
                "no state file of a database that was made: nothing to rotate, drop or accept, and nothing to restore "
                "or share"
            )
        return state

    def save(self, state: State) -> None:
        """Saves durably: whole, or as before. Raises DbHandlerError."""
        if self._path is not None:
            self._write(files.write_private, self._path, state)

    def save_first(self, state: State) -> State:
        """Saves where nothing was saved yet. Returns the state that counts: of several processes that begin at once,
        each with a password of its own, one is the first. Raises DbHandlerError."""
        if self._path is None or self._write(files.write_private_once, self._path, state):
            return state
        return self.load() or state

    def update(self, change: Callable[[State], State], otherwise: State) -> State:
        """Changes what is saved (`otherwise` where nothing is) and returns it: one process after another, so that none
        writes an older password over a newer one. Raises DbHandlerError, TryLater where another one does not end."""
        with self._locked():
            now = self.load()
            changed = change(now or otherwise)
            if changed != now:
                self.save(changed)
        return changed

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Locks the file's folder: the file itself is another one after each change."""
        with ExitStack() as held:
            # A folder that is not there yet holds nothing older; some network file systems lock none.
            with suppress(OSError):
                held.enter_context(self._lock())
            yield

    @contextmanager
    def _lock(self) -> Iterator[None]:
        if self._path is None:
            yield
            return
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not is_locked(descriptor, PATIENCE):
                raise TryLater(f"another process holds the folder of the state file {self._path}")
            yield
        finally:
            os.close(descriptor)

    @staticmethod
    def _write(write: Callable[[Path, str], T], path: Path, state: State) -> T:
        present = {key: value for key, value in asdict(state).items() if value is not None}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return write(path, json.dumps(present) + "\n")
        except OSError as error:
            raise DbHandlerError(f"the state file {path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Forgets the state."""
        if self._path is not None:
            files.remove(self._path)


def _checked(values: object) -> Mapping[str, Any]:
    if not isinstance(values, dict) or set(values) - {field.name for field in fields(State)}:
        raise ValueError("not an object with the keys of a state")
    changed = values.get("changed", 0)
    if type(changed) is not int or changed < 0:
        raise ValueError("no time")
    texts = {key: value for key, value in values.items() if key != "changed"}
    if not all(isinstance(text, str) and text.isprintable() for text in texts.values()):
        raise ValueError("what no server takes")
    for key, valid in _RULES.items():
        if key in texts and not valid(texts[key]):
            raise ValueError(f"no {key}")
    return values


_RULES: Mapping[str, Callable[[str], bool]] = {
    "key": is_key,
    "pool": is_pool_id,
    "role": lambda text: text in list(Role),
}
