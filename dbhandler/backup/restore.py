"""Gives back: one database of one moment becomes a database of the server's again, beside the present one.

It is asked for as any application asks, so it belongs to an account of its own, and what it holds is loaded with that
account's rights: a tenant has chosen it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from dbhandler import files, passwords
from dbhandler.backup.replica import Replica
from dbhandler.backup.source import Source, sources
from dbhandler.backup.tool import fed, loader
from dbhandler.client.asking import Client, silent
from dbhandler.client.authority import AuthorityFile
from dbhandler.client.connection import Connection, as_my_cnf
from dbhandler.client.discovery import ANSWER_TIMEOUT
from dbhandler.client.state import State, StateFile
from dbhandler.client.verified import payload_of
from dbhandler.engine import sql
from dbhandler.errors import Denied, Unavailable
from dbhandler.log import shown
from dbhandler.provisioning.definer import redefined
from dbhandler.requests.answer import decode
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.serf.launch import connect
from dbhandler.serf.members import Member, named
from dbhandler.serf.proof import Believer
from dbhandler.serf.rpc import Serf
from dbhandler.settings.backup import BackupSettings
from dbhandler.trust.pool import Pool

PATIENCE = 60.0
"""Seconds for which the server is waited for."""


def ask_for(database: str, source: Source, settings: BackupSettings, folder: Path) -> Connection:
    """Asks the source's server for a new database; folder keeps its account. Raises as Client.create does, Denied for
    a name that is taken, DbHandlerError where no server of it is ready."""
    server, pools = check_free(database, source, settings), Pool(settings.secrets).ids
    agent = partial(connect, settings.serf)
    state = StateFile(folder / f"{database.encode().hex()}.json")
    state.save_first(State(database, database, passwords.generate(), key=server.key, cluster=server.group))
    authority = AuthorityFile(folder / f"{database.encode().hex()}.ca.pem")
    return Client(agent, state, PATIENCE, silent, pools=pools, authority=authority).create(database, None, {})


def check_free(database: str, source: Source, settings: BackupSettings) -> Member:
    """The source's server that a new database of this name can be asked for. Raises as ask_for does."""
    with connect(settings.serf) as serf:
        server = _server(Believer(Pool(settings.secrets).ids).believed(serf.members()), source)
        _check_absent(serf, server, database)
    return server


def _server(members: Sequence[Member], source: Source) -> Member:
    for found in sources(members):
        if found.id == source.id and found.nodes and (member := named(members, found.nodes[0].name)):
            return member
    raise Unavailable(f"no server of {shown(source.name)} is ready to take a database")


def _check_absent(serf: Serf, server: Member, database: str) -> None:
    for node, line in serf.query(Query.FIND, payload_of({"database": database}), ANSWER_TIMEOUT, nodes=[server.name]):
        if node == server.name and decode(line).get("status") == Status.ABSENT:
            return
        if node == server.name:
            raise Denied(f"there is a database {shown(database)} already: restore under another name")
    raise Unavailable(f"{shown(server.name)} does not answer")


def check_there(copy: Replica, database: str) -> None:
    """Raises Denied where there was no such database."""
    if not copy.server.execute(sql.database_exists(database)):
        there = ", ".join(shown(str(name)) for (name,) in copy.server.execute(sql.databases()))
        raise Denied(f"there was no database {shown(database)} at that moment: there were {there or 'none'}")


def load(dump: Iterable[bytes], connection: Connection, folder: Path) -> list[str]:
    """Loads a dump into the connection's database, and returns what could not be made; folder is for a private file.
    Raises DbHandlerError; the database is left as far as it came."""
    missing: list[str] = []
    options = folder / f"restore-{os.urandom(4).hex()}.cnf"
    files.write_private(options, as_my_cnf(connection, {}))
    command = [*loader(connection.engine, f"--defaults-file={options}"), connection.database]
    try:
        with fed(command, missing) as stdin:
            # Whatever ran with anybody's rights runs with this account's.
            stdin.writelines(redefined(dump, connection.user))
    finally:
        files.remove(options)
    return missing
