"""Measures inside the backup's container; prints one JSON object.

usage: python3 - WHAT [ARGUMENT...] < backup_inside.py

bases ROUNDS [ours]   seconds of a base in an empty repository, of ours and by hand, and its size in bytes
another               what one more adds to the last repository of `bases`, in bytes
take                  one in the pool's own repository
hand HOST USER PASSWORD MOMENT [DATABASE]
                      seconds until a server holds all, or a database, as it was at a second, by hand
memory                MiB of all processes, the median of some seconds
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbhandler.backup.base import Bases
from dbhandler.backup.cli import folder_of
from dbhandler.backup.repository import Repository
from dbhandler.backup.run import known_sources, open_repository
from dbhandler.backup.source import Source, remembered
from dbhandler.distant.access import Access
from dbhandler.settings.backup import backup_settings
from dbhandler.settings.environment import prepared
from dbhandler.trust.backup import USER, account_password, repository_password

ENVIRON = prepared(os.environ)
SETTINGS = backup_settings(ENVIRON)
WORK = SETTINGS.folder / "bench"
SAMPLES = 30
_USUAL = ("--all-databases", "--single-transaction", "--routines", "--events", "--triggers")
DUMPS = {
    "mariadb": ("mariadb-dump", ("--master-data=2", "--gtid", *_USUAL)),
    "mysql": ("mysqldump", ("--set-gtid-purged=COMMENTED", *_USUAL)),
}
LOADERS = {"mariadb": "mariadb", "mysql": "mysql"}


def seconds(act: Callable[..., object], *arguments: object) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    act(*arguments)
    return time.perf_counter() - began


def piped(first: Sequence[str], second: Sequence[str], environ: Mapping[str, str]) -> None:
    """`first | second`, both of which have to succeed."""
    with subprocess.Popen(first, stdout=subprocess.PIPE, env=environ) as giver:
        subprocess.run(second, stdin=giver.stdout, stdout=subprocess.DEVNULL, check=True, env=environ)
    if giver.returncode:
        raise SystemExit(f"{first[0]} ended with {giver.returncode}")


def restic_environ(repository: str, password: str) -> dict[str, str]:
    own = {"RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": password, "RESTIC_CACHE_DIR": str(WORK / "cache")}
    return {**os.environ, **own, "TZ": "UTC"}


class Measured:
    """The first source that serves, and both ways of taking a base of it."""

    def __init__(self) -> None:
        WORK.mkdir(exist_ok=True)
        [self.source] = known_sources(SETTINGS)
        self.access = Access(SETTINGS.secrets, WORK / "access", USER, account_password)

    def ours(self, place: Path) -> float:
        """Seconds."""
        repository = Repository(str(place), ["bench"], WORK / "cache", ENVIRON)
        repository.open()
        taking = Bases(repository, self.source, WORK / "notes")
        return seconds(taking.take, self.access)

    def by_hand(self, place: Path) -> float:
        """Seconds."""
        option_file = self.access.option_file(self.source.nodes[0], self.source.engine)
        tool, options = DUMPS[self.source.engine]
        environ = restic_environ(str(place), "bench")
        subprocess.run(("restic", "init", "--quiet"), check=True, env=environ)
        restic = ("restic", "backup", "--quiet", "--stdin", "--stdin-filename=dump.sql")
        return seconds(piped, (tool, f"--defaults-file={option_file}", *options), restic, environ)


def bases(rounds: str, only: str = "") -> dict[str, Any]:
    """Both begin with an empty repository."""
    measured, found = Measured(), []
    ours, hand = WORK / "ours", WORK / "hand"
    for _ in range(int(rounds)):
        for place in (ours, hand):
            shutil.rmtree(place, ignore_errors=True)
        other = 0.0 if only else measured.by_hand(hand)
        found.append((measured.ours(ours), other))
    return {"rounds": found, "size": size(ours)}


def another() -> dict[str, Any]:
    before = size(WORK / "ours")
    Measured().ours(WORK / "ours")
    return {"size": size(WORK / "ours") - before}


def take() -> dict[str, Any]:
    measured, repository = Measured(), open_repository(SETTINGS, ENVIRON)
    repository.open()
    folder = folder_of(SETTINGS, measured.source.name)
    return {"seconds": seconds(lambda: Bases(repository, measured.source, folder).take(measured.access))}


def size(repository: Path) -> int:
    """Of what restic has packed; indexes and the like are small."""
    return sum(file.stat().st_size for file in (repository / "data").rglob("*") if file.is_file())


def hand(host: str, user: str, password: str, moment: str, database: str = "") -> dict[str, Any]:
    """As the how-to says it is done without dbhandler."""
    WORK.mkdir(exist_ok=True)
    options = WORK / "hand.cnf"
    options.write_text(f"[client]\nhost={host}\nuser={user}\npassword={password}\nprotocol=tcp\n{_tls()}\n")
    began = time.perf_counter()
    _restore(options, float(moment), database)
    return {"seconds": time.perf_counter() - began}


def _tls() -> str:
    return "ssl-mode=PREFERRED" if shutil.which("mysqlbinlog") else "skip-ssl-verify-server-cert"


def _restore(options: Path, moment: float, database: str) -> None:
    source, folder = _only_source()
    environ = restic_environ(SETTINGS.repository, repository_password(SETTINGS.secrets[0]))
    loader = (LOADERS[source.engine], f"--defaults-file={options}")
    # Without its own commands, as with --binary-mode, the program sees no USE, and would load everything.
    one = ("--one-database", "--loose-commands", database) if database else ("--binary-mode",)
    piped(("restic", "dump", "--tag=kind=base", "latest", "dump.sql"), (*loader, "--force", *one), environ)
    base = Bases(open_repository(SETTINGS, ENVIRON), source, folder).list()[-1]
    # Those before it may be of a server that is gone.
    logs = sorted(str(log) for log in (folder / "logs").glob("*.log") if log.stat().st_mtime >= base.time)
    piped((*_log_tool(source.engine, str(base.position), moment, database), *logs), (*loader, "--binary-mode"), environ)
    subprocess.run((*loader, "-e", "FLUSH PRIVILEGES"), check=True, env=environ)


def _log_tool(engine: str, after: str, moment: float, database: str) -> list[str]:
    stop = f"--stop-datetime={datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"
    own = {
        "mariadb": ["mariadb-binlog", "--no-defaults", f"--start-position={after}"],
        "mysql": ["mysqlbinlog", "--no-defaults", "--skip-gtids", f"--exclude-gtids={after}"],
    }[engine]
    return [*own, stop, *([f"--database={database}"] if database else [])]


def _only_source() -> tuple[Source, Path]:
    folder = folder_of(SETTINGS, None)
    return remembered(folder), folder


def memory() -> dict[str, Any]:
    samples = []
    for _ in range(SAMPLES):
        samples.append(sum(map(proportional, Path("/proc").glob("[0-9]*"))) / 1024)
        time.sleep(1)
    return {"size": statistics.median(samples), "most": max(samples)}


def proportional(process: Path) -> int:
    """KiB of a process, with its part of what it shares."""
    if process.name == str(os.getpid()):
        return 0
    with suppress(OSError):
        lines = (process / "smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0


if __name__ == "__main__":
    named: dict[str, Callable[..., dict[str, Any]]] = {
        "bases": bases, "another": another, "take": take, "hand": hand, "memory": memory,
    }  # fmt: skip
    print(json.dumps(named[sys.argv[1]](*sys.argv[2:])))
