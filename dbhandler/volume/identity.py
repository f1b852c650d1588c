"""Do a server's data and its state belong together?

The key in the state volume is who a server is: applications know it by that. Data whose state is lost, or another
server's, are served all the same, but their applications wait for a server that does not exist any more, until somebody
tells them. So the data remember the key they were served with, and the server says what it sees. Where the pool's
secret was given, they hold that key, closed with the secret, and a lost state volume changes nothing for anybody.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dbhandler import files
from dbhandler.errors import DbHandlerError
from dbhandler.inventory import InRun
from dbhandler.requests.box import fingerprint
from dbhandler.serf.members import KEY_BYTES
from dbhandler.serf.tags import Tag
from dbhandler.trust.safe import Safe
from dbhandler.volume.data_dir import MARKER, STAMP

logger = logging.getLogger(__name__)

UNTOLD = "unknown"
"""Stands for a key that a former version did not note."""
_TOLD = 2
"""How many former keys the tag has room for."""


@dataclass(frozen=True)
class Stamp:
    """What the data remember: the fingerprint of their server's key (None: not noted yet), of those before, and the
    private key itself, closed with the pool's secret (None: not kept)."""

    key: str | None
    former: tuple[str, ...] = ()
    kept: str | None = None


def kept_key(data_dir: Path, safe: Safe) -> bytes | None:
    """The private key that the data hold, None where they hold none that this secret opens."""
    stamp = _read(data_dir)
    key = safe.open(stamp.kept) if stamp and stamp.kept else None
    return key if key and len(key) == KEY_BYTES else None


def accept(data_dir: Path, run_dir: Path, public_key: str) -> None:
    """The owner says that data and state belong together from now on. Raises DbHandlerError where there is nothing to
    say so of."""
    stamp, own = _read(data_dir), fingerprint(public_key)
    if stamp is None:
        raise DbHandlerError(f"{data_dir} holds no data of dbhandler yet")
    former = [key for key in (*stamp.former, stamp.key) if key not in (None, own, UNTOLD)]
    _write(data_dir, Stamp(own, tuple(dict.fromkeys(map(str, former)))))
    _say(run_dir, None)


class ServerIdentity:
    """The key of this server beside what its data remember. is_new: the key was made in this run; vouched: its pool's
    secret proves what it says, so that applications follow it to a new key by themselves; keep makes what the data are
    to hold of the key, from what they hold already.

    `tags` is for one other thread; it notes the key as soon as there are data.
    """

    def __init__(
        self,
        data_dir: Path,
        run_dir: Path,
        public_key: str,
        is_new: bool,
        vouched: bool = False,
        keep: Callable[[str | None], str | None] = lambda kept: kept,
    ) -> None:
        self._keep = keep
        self._data_dir, self._run_dir, self._own, self._is_new = data_dir, run_dir, fingerprint(public_key), is_new
        self._public, self._vouched = public_key, vouched
        self._settled = False
        self._tags: Mapping[str, str] = {}
        # At once where there are data: whoever finds the server ready learns what is wrong with it.
        self.tags()

    def complaint(self) -> str | None:
        """Why data and state do not belong together, until the owner has accepted it; None where they do."""
        stamp = _read(self._data_dir)
        if stamp is None or stamp.key in (None, self._own):
            return None
        return (
            "this server has lost its state volume (/var/lib/dbhandler), or has another server's: applications that "
            "asked before do not know it any more. Mount the former one, or run dbhandler-admin accept-state"
        )

    def tags(self) -> Mapping[str, str]:
        """The tag that leads the applications of a former key here; none where there was none."""
        if not self._settled:
            with suppress(OSError):
                self._settle()
        return self._tags

    def _settle(self) -> None:
        stamp = _read(self._data_dir)
        if stamp is None:
            if (self._data_dir / MARKER).exists():
                # Nobody was ever served with them.
                _say(self._run_dir, None)
            return
        if stamp.key is None:
            # Of data that a version served which noted no key: with a key just made it was another one.
            lost = self._is_new and (self._data_dir / STAMP).stat().st_size == 0
            stamp = Stamp(UNTOLD if lost else self._own)
            _write(self._data_dir, stamp)
        if self._vouched and self._is_new and stamp.key not in (UNTOLD, self._own):
            logger.warning("the state volume is a new one: applications know this server by the pool's secret")
            accept(self._data_dir, self._run_dir, self._public)
            stamp = _read(self._data_dir) or stamp
        if stamp.key == self._own and (kept := self._keep(stamp.kept)) != stamp.kept:
            _write(self._data_dir, replace(stamp, kept=kept))
        former = [key for key in (*stamp.former, stamp.key) if key not in (self._own, UNTOLD)]
        self._tags = {Tag.WAS: ".".join(map(str, former[-_TOLD:]))} if former else {}
        self._settled = True
        if complaint := self.complaint():
            logger.error("%s", complaint)
        _say(self._run_dir, complaint)


def _say(run_dir: Path, complaint: str | None) -> None:
    files.write_private(run_dir / InRun.IDENTITY, f"{complaint}\n" if complaint else "")


def _read(data_dir: Path) -> Stamp | None:
    """The stamp, None where there is none. One that says nothing, as those of former versions, holds no key."""
    try:
        text = (data_dir / STAMP).read_text(errors="replace")
    except OSError:
        return None
    with suppress(ValueError, KeyError, TypeError):
        values = json.loads(text)
        key, former, kept = str(values["key"]), tuple(map(str, values.get("former", ()))), values.get("kept")
        return Stamp(key, former, kept if isinstance(kept, str) else None)
    return Stamp(None)


def _write(data_dir: Path, stamp: Stamp) -> None:
    present = {name: value for name, value in asdict(stamp).items() if name != "kept" or value is not None}
    files.write_private(data_dir / STAMP, json.dumps(present) + "\n")
