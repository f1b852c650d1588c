"""The repository of all backups: snapshots of restic, encrypted, in a folder or in an object store."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from dbhandler import files
from dbhandler.backup.locks import Lock, as_lock, dead
from dbhandler.backup.restic import QUICK, Restic
from dbhandler.backup.restic_failure import Incomplete, NoRepository, WrongPassword
from dbhandler.backup.snapshot import Snapshot, as_snapshot, encode_tags, parse, summary
from dbhandler.errors import DbHandlerError, Unavailable
from dbhandler.flock import is_locked
from dbhandler.log import shown

logger = logging.getLogger(__name__)

LONG = 24 * 3600.0
"""Seconds for what reads or writes data: a first backup, a restore, a check of everything."""
FIRST = 20.0
"""Seconds of the first try to open: only by waiting is it known that an object store has no such bucket."""
HOST = "dbhandler"
"""Every snapshot's host: a container's own changes with every start."""
_MANY = 500
"""Snapshots forgotten with one command line."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")
_PART = re.compile(r"[1-9]\d*/[1-9]\d*|\d+(\.\d+)?%|\d+[KMGT]?")
_REMOTE = re.compile(r"(s3|sftp|rest|rclone|b2|azure|gs|swift):")


class Repository:
    """The repository at `location`, as RESTIC_REPOSITORY has it. Of the passwords the first is the present one, the
    others are former ones. cache: a folder of this container's own; environ: the process's.

    Every method but those that say more raises Unavailable where trying again later is right, as when the place is not
    reached, full or locked, else DbHandlerError. patience: seconds until a method gives up with Unavailable.
    """

    def __init__(self, location: str, passwords: Sequence[str], cache: Path, environ: Mapping[str, str]) -> None:
        self._restic = Restic(location, cache, environ)
        self.place = self._restic.place
        """The location as it may be shown."""
        self._passwords, self._cache = tuple(passwords), cache
        self._folder = None if _REMOTE.match(location) else Path(location.removeprefix("local:"))
        self._password = passwords[0]
        self._hidden = [option for name in self._restic.secret_names for option in ("-u", name)]

    def open(self, patience: float = QUICK, make: bool = True) -> None:
        """Opens the repository, or makes it where there is none; else raises NoRepository. A former password that
        opens it is joined by the present one."""
        self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._enter_twice(patience)
        except NoRepository:
            if not make:
                raise
            with self._alone(patience):
                self._make(patience)
                self._enter(patience)

    def save_output(
        self,
        command: Sequence[str],
        name: str,
        tags: Mapping[str, str],
        environ: Mapping[str, str] | None = None,
        time: datetime | None = None,
        patience: float = LONG,
    ) -> Snapshot:
        """Saves what `command` prints as the file `name` of a new snapshot. environ: variables for the command, besides
        PATH and others that are no secrets of the repository. time: the snapshot's, default now.

        Raises CommandFailed with what the command complained of when it failed, and Incomplete when it
        printed nothing: there is no snapshot then.
        """
        if not _NAME.fullmatch(name):
            raise DbHandlerError(f"a file of a backup cannot be called {shown(name)}")
        source = (f"--stdin-filename={name}", "--stdin-from-command", "--", "env", *self._hidden, *command)
        return self._save(source, (f"/{name}",), tags, time, patience, extra=environ)

    def save_folder(
        self, folder: Path, tags: Mapping[str, str], time: datetime | None = None, patience: float = LONG
    ) -> Snapshot:
        """Saves what is in a folder; the snapshot's files are named from there. As save_output; one that would lack a
        file is not kept: Incomplete is raised."""
        if not folder.is_dir():
            raise DbHandlerError(f"there is no folder {folder} to save")
        # From inside: the names in the snapshot do not depend on where the folder lies.
        return self._save(("--", "."), (str(folder.resolve()),), tags, time, patience, folder=folder)

    def snapshots(self, **tags: str) -> list[Snapshot]:
        """The snapshots that have all of these tags, oldest first."""
        output = self._restic.run("snapshots", "--json", f"--host={HOST}", *_filter(tags), password=self._password)
        return sorted(map(as_snapshot, parse(output) or []), key=lambda one: (one.time, one.id))

    def dump(self, snapshot: Snapshot, name: str, patience: float = LONG) -> AbstractContextManager[IO[bytes]]:
        """For `with`: the content of one file of a snapshot, to be read. Whoever reads to the end learns at the end of
        the block, by an exception, that it was not the whole; leaving early is fine."""
        return self._restic.reading("dump", snapshot.id, f"/{name}", password=self._password, patience=patience)

    def fetch(self, snapshot: Snapshot, target: Path, patience: float = LONG) -> None:
        """Writes a snapshot's files into the folder `target`, over those of the same names."""
        arguments = ("restore", snapshot.id, f"--target={target}", "--json")
        self._restic.run(*arguments, password=self._password, patience=patience)

    def forget(self, snapshots: Iterable[Snapshot], patience: float = QUICK) -> None:
        """Removes snapshots; their data go with the next prune. Those that are gone already are fine."""
        ids = [snapshot.id for snapshot in snapshots]
        for start in range(0, len(ids), _MANY):
            chunk = ids[start : start + _MANY]
            self._restic.run("forget", "--json", *chunk, password=self._password, patience=patience)

    def keep(self, options: Sequence[str], **tags: str) -> list[Snapshot]:
        """Removes of the snapshots that have all of these tags those that no option --keep-… wants; returns them.
        All of them are one group."""
        arguments = ("forget", "--json", f"--host={HOST}", "--group-by=", *_filter(tags), *options)
        groups = parse(self._restic.run(*arguments, password=self._password)) or []
        return [as_snapshot(one) for group in groups for one in group["remove"] or ()]

    def prune(self, patience: float = LONG) -> None:
        """Removes the data that no snapshot needs. Nobody else can write meanwhile."""
        self._restic.run("prune", password=self._password, patience=patience)

    def check(self, part: str | None = None, patience: float = LONG) -> None:
        """Reads all data, or the part of it (`2/7`, `5%`, `100M`), and proves that they are what was written. Raises
        DbHandlerError, not Unavailable, for damage."""
        if part is not None and not _PART.fullmatch(part):
            raise DbHandlerError(f"a part of a repository is 2/7, 5% or 100M, not {shown(part)}")
        how = "--read-data" if part is None else f"--read-data-subset={part}"
        self._restic.run("check", how, password=self._password, patience=patience)

    def end(self) -> None:
        """Ends what is being done here now, in another thread, in order; it raises there."""
        self._restic.end()

    def unlock(self, former: Collection[str] = (), patience: float = QUICK) -> None:
        """Removes the locks that the dead have left: on this host, on the former ones of its volume, and on others
        those that have not shown themselves for half an hour."""
        locks = self._locks(patience)
        left = dead(locks, former)
        if self._folder:
            for lock in left:
                (self._folder / "locks" / lock.id).unlink(missing_ok=True)
        # restic can remove all or none of them.
        options = ("--remove-all",) if left and len(left) == len(locks) else ()
        self._restic.run("unlock", *options, password=self._password, patience=patience)

    def _locks(self, patience: float) -> list[Lock]:
        ids = self._restic.run("list", "locks", "--no-lock", password=self._password, patience=patience)
        found = []
        for id in ids.decode().split():
            # One that is gone by now was somebody's who lives.
            with suppress(DbHandlerError, ValueError, KeyError):
                told = self._restic.run("cat", "lock", id, "--no-lock", password=self._password, patience=patience)
                found.append(as_lock(id, parse(told)))
        return found

    def _enter_twice(self, patience: float) -> None:
        try:
            self._enter(min(patience, FIRST))
        except Unavailable:
            if patience <= FIRST:
                raise
            self._enter(patience)

    def _enter(self, patience: float) -> None:
        for password in self._passwords:
            try:
                self._restic.run("cat", "config", "--no-lock", password=password, patience=patience)
            except WrongPassword:
                continue
            self._password = password
            if password != self._passwords[0]:
                self._add_password(patience)
            return
        raise WrongPassword(
            f"the repository {self.place} was made with another password than the pool's secret gives: "
            "give the secret it was made with, too, or another place"
        )

    def _add_password(self, patience: float) -> None:
        file = self._cache / f"password.{os.urandom(4).hex()}"
        try:
            files.write_private(file, self._passwords[0])
            arguments = ("key", "add", f"--new-password-file={file}")
            self._restic.run(*arguments, password=self._password, patience=patience)
            self._password = self._passwords[0]
        except DbHandlerError as error:
            # The former one goes on to do.
            logger.warning("the repository opens with a former password only: %s", error)
        finally:
            files.remove(file)

    def _make(self, patience: float) -> None:
        try:
            self._restic.run("init", "--json", password=self._passwords[0], patience=patience)
            logger.info("made the repository %s", self.place)
        except DbHandlerError as error:
            # Somebody was faster, or it really failed.
            try:
                self._enter(patience)
            except NoRepository:
                raise error from None

    @contextmanager
    def _alone(self, patience: float) -> Iterator[None]:
        """Two that make a repository at once would give it two keys, of which one opens nothing."""
        folder = self._folder or self._cache
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if not is_locked(descriptor, patience):
                raise Unavailable("somebody else makes the repository")
            yield
        finally:
            os.close(descriptor)

    def _save(
        self,
        source: Sequence[str],
        paths: tuple[str, ...],
        tags: Mapping[str, str],
        time: datetime | None,
        patience: float,
        **how: Any,
    ) -> Snapshot:
        moment = (time or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        options = [f"--tag={tag}" for tag in encode_tags(tags)] + [f"--time={moment:%Y-%m-%d %H:%M:%S}"]
        arguments = ("backup", "--json", f"--host={HOST}", *options, *source)
        try:
            said = summary(self._restic.run(*arguments, password=self._password, patience=patience, **how))
        except Incomplete as error:
            # restic makes a snapshot of the rest, which would pass for the whole.
            self._restic.run("forget", summary(error.output)["snapshot_id"], password=self._password)
            raise
        return Snapshot(said["snapshot_id"], moment, dict(tags), paths, said.get("total_bytes_processed"))


def _filter(tags: Mapping[str, str]) -> tuple[str, ...]:
    # In one option: all of them. In several it would be any of them.
    return (f"--tag={','.join(encode_tags(tags))}",) if tags else ()
