"""dbhandler-health and healthcheck.sh: is this database container ready to serve? For HEALTHCHECK."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dbhandler import log, paths, usage
from dbhandler.engine import sql
from dbhandler.engine.server import Server, agent_server
from dbhandler.errors import ConfigError, DbHandlerError, Full
from dbhandler.inventory import InRun
from dbhandler.os_user import leave_root
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.serf.presence import SerfPresence
from dbhandler.settings.config import Config

USAGE = """usage: dbhandler-health [--connect | --no-connect] [--innodb_initialized] [--innodb_buffer_pool_loaded]
                        [--replication [--replication_…]] [--galera_online] [--mariadbupgrade] [--agent]

Exit status 0 when the database server answers and the first start's work is done, and every further test given is
passed; else 1 with one sentence. A server of which all connections are taken is alive, and passes. healthcheck.sh is
another name for it, with the options of the official MariaDB image:

    --connect                    (always) the server answers, its accounts have been made, and a Serf agent has
                                 answered within half a minute
    --no-connect                 not this test
    --innodb_initialized         InnoDB is there
    --innodb_buffer_pool_loaded  what InnoDB had in memory before the last stop is in memory again
    --replication, --replication_all, --replication_io, --replication_sql
                                 the replica's threads run
    --replication_seconds_behind_master=N, --replication_sql_remaining_delay=N
                                 the replica is not later than that (seconds)
    --replication_name=NAME      the connection that these tests ask for
    --galera_online              the node is synced with its Galera cluster
    --mariadbupgrade             the system tables need no upgrade
    --agent                      dbhandler-agent answers

--su-mysql, --su=…, --datadir=…, --defaults-… are taken and need nothing: it always asks through our own account.
"""

_TAKEN = ("--su-mysql", "--su=", "--datadir=", "--defaults-", "--no-defaults", "--rocksdb_dir=")

Test = Callable[["Probe"], str | None]
"""Returns the reason why a test is failed, or None."""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if usage.asked(argv):
        return usage.show(argv, USAGE)
    warning = ""
    try:
        environ = os.environ if environ is None else environ
        config = Config.from_environ(environ)
        # HEALTHCHECK runs as the container's root, whose own account at the socket may have a password.
        leave_root(config.os_user)
        reason = unready(config, environ, argv)
        warning = _warning(config)
    except ConfigError as error:
        print(error)
        return os.EX_USAGE
    except (DbHandlerError, OSError) as error:
        reason = log.told(error)
    print(reason or "ready")
    print(warning, end="")
    return 1 if reason else 0


def _warning(config: Config) -> str:
    """What whoever looks has to know although the server serves."""
    path = config.run_dir / InRun.IDENTITY
    return path.read_text() if path.exists() else ""


class Probe:
    """What the tests look at: the settings, the server, and the replica's state under one connection name."""

    def __init__(self, config: Config, server: Server, environ: Mapping[str, str]) -> None:
        self.config, self.server, self.environ = config, server, environ
        self.replica_name = ""

    def status(self, name: str) -> str:
        """One of the server's status variables; empty where there is none of that name."""
        rows = self.server.execute(sql.status(name))
        return str(rows[0][1]) if rows else ""

    def replica(self) -> Mapping[str, object] | None:
        """The replica's state, or None where this server is no replica."""
        rows = self.server.table(sql.replica_status(self.config.engine, self.replica_name))
        return rows[0] if rows else None


def unready(config: Config, environ: Mapping[str, str], options: Sequence[str] = ()) -> str | None:
    """Why the container is not ready, or None when it is. Raises ConfigError for an unknown option, DbHandlerError
    when the server is away."""
    with agent_server(config) as server:
        return _failed(Probe(config, server, environ), options)


def _failed(probe: Probe, options: Sequence[str]) -> str | None:
    tests: list[Test] = (
        [_connect, _first_start, _identity, _serf] if "--connect" in options or "--no-connect" not in options else []
    )
    for option in options:
        name, _, value = option.partition("=")
        if name == "--replication_name":
            probe.replica_name = value
        elif name in _LIMITS:
            tests.append(_late(_LIMITS[name], value))
        elif name in _TESTS:
            tests.append(_TESTS[name])
        elif name not in ("--connect", "--no-connect") and not option.startswith(_TAKEN):
            raise ConfigError(f"unknown option {option}: dbhandler-health --help tells more")
    return next((reason for test in tests if (reason := _reason(test, probe))), None)


def _reason(test: Test, probe: Probe) -> str | None:
    try:
        return test(probe)
    except Full as error:
        # It serves those who have the connections, and whoever restarted it for that would end their work.
        print(f"alive: {error}")
        return None


def _connect(probe: Probe) -> str | None:
    probe.server.connect()
    probe.server.execute(sql.serves())
    return None


def _first_start(probe: Probe) -> str | None:
    return None if probe.config.ready_file.exists() else "the first start's work is not done yet"


def _identity(probe: Probe) -> str | None:
    looked = (probe.config.run_dir / InRun.IDENTITY).exists()
    return None if looked else "dbhandler-agent has not looked at the volumes yet"


def _serf(probe: Probe) -> str | None:
    trouble = SerfPresence(probe.config.run_dir).trouble(since=probe.config.ready_file)
    # It is dbhandler-agent that hears Serf's answers.
    return trouble and (_silence(probe) or trouble)


def _silence(probe: Probe) -> str | None:
    answer = _agents_answer(probe)
    return answer["reason"] if answer["status"] == Status.UNAVAILABLE else None


def _agents_answer(probe: Probe) -> Any:
    # Only here, as in _upgraded: a look every five seconds loads what it needs.
    from dbhandler.handlers.query import ask

    return json.loads(ask(paths.agent_socket(probe.environ), Query.STATUS, b""))


def _innodb(probe: Probe) -> str | None:
    return None if probe.server.execute(sql.innodb()) else "InnoDB is not initialised"


def _buffer_pool(probe: Probe) -> str | None:
    loaded = "load completed at" in probe.status("Innodb_buffer_pool_load_status")
    return None if loaded else "InnoDB has not loaded its buffer pool yet"


def _galera(probe: Probe) -> str | None:
    # 4 is Synced. Source: Galera Cluster documentation, wsrep_local_state.
    return None if probe.status("wsrep_local_state") == "4" else "the node is not synced with a Galera cluster"


def _upgraded(probe: Probe) -> str | None:
    from dbhandler.volume.data_dir import examine
    from dbhandler.volume.prepare import server_version

    version = server_version(probe.config.engine)
    old = examine(probe.config.data_dir, probe.config.engine, version).is_older_than(version)
    return "the system tables need an upgrade (MARIADB_AUTO_UPGRADE=1)" if old else None


def _agent(probe: Probe) -> str | None:
    answer = _agents_answer(probe)
    return None if answer.get("ready") else f"the agent says: {answer.get('reason') or answer.get('mysql')}"


def _thread(column: str) -> Test:
    def test(probe: Probe) -> str | None:
        replica = probe.replica()
        if replica is None:
            return "this server is no replica"
        value = replica.get(column) or replica.get(_RENAMED.get(column, ""))
        return None if value == "Yes" else f"the replica's {column} is {value}"

    return test


def _late(column: str, limit: str) -> Test:
    if not limit.isdigit():
        raise ConfigError(f"a number of seconds has to follow, not {limit!r}")

    def test(probe: Probe) -> str | None:
        replica = probe.replica() or {}
        seconds = replica.get(column, replica.get(_RENAMED.get(column, "")))
        if seconds is None and column == "SQL_Remaining_Delay":
            return None if replica else "this server is no replica"
        late = seconds is None or int(str(seconds)) > int(limit)
        return f"the replica's {column} is {seconds}, more than {limit}" if late else None

    return test


def _all(*tests: Test) -> Test:
    return lambda probe: next((reason for test in tests if (reason := test(probe))), None)


_RENAMED = {
    "Slave_IO_Running": "Replica_IO_Running",
    "Slave_SQL_Running": "Replica_SQL_Running",
    "Seconds_Behind_Master": "Seconds_Behind_Source",
}
"""MariaDB's names of columns -> MySQL's."""

_LIMITS = {
    "--replication_seconds_behind_master": "Seconds_Behind_Master",
    "--replication_sql_remaining_delay": "SQL_Remaining_Delay",
}
_IO, _SQL = _thread("Slave_IO_Running"), _thread("Slave_SQL_Running")
_TESTS: Mapping[str, Test] = {
    "--innodb_initialized": _innodb,
    "--innodb_buffer_pool_loaded": _buffer_pool,
    "--galera_online": _galera,
    "--mariadbupgrade": _upgraded,
    "--replication": _all(_IO, _SQL),
    "--replication_all": _all(_IO, _SQL),
    "--replication_io": _IO,
    "--replication_sql": _SQL,
    "--agent": _agent,
}
