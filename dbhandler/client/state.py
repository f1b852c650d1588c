"""What an application remembers of its database between two runs: one small private file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeVar

from dbhandler import files
from dbhandler.errors import DbHandlerError, InvalidRequest
from dbhandler.serf.members import is_key
from dbhandler.trust.signature import is_pool_id

T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """The account as it was chosen, before anybody was asked for it; key is the public key of the server that has it
    (None until one said so), cluster the Galera cluster that it was a node of, next_password is one whose rotation has
    been begun, pool the id of the pool whose servers are believed (None until one has proved to be of one), authority
    the fingerprint of who signs the server's certificate."""

    database: str
    user: str
    password: str
    key: str | None = None
    next_password: str | None = None
    cluster: str | None = None
    pool: str | None = None
    authority: str | None = None

    def __repr__(self) -> str:
        return f"State({self.database!r}, {self.user!r})"


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
                "no state file of a database that was made: nothing to rotate, drop or accept, and nothing to restore"
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


def _checked(values: object) -> Mapping[str, str]:
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("not an object of strings")
    if set(values) - {field.name for field in fields(State)}:
        raise ValueError("unknown key")
    if not all(value.isprintable() for value in values.values()):
        raise ValueError("what no server takes")
    if "key" in values and not is_key(values["key"]):
        raise ValueError("no public key")
    if "pool" in values and not is_pool_id(values["pool"]):
        raise ValueError("no id of a pool")
    return values
