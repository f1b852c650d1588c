"""dbhandler-pool: makes the secret of a pool, tells its public name, changes the key of its gossip, and tells of its
servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dbhandler import edge, usage
from dbhandler.errors import ConfigError, InvalidRequest
from dbhandler.log import shown
from dbhandler.pool import gossip
from dbhandler.pool.overview import as_json, table
from dbhandler.serf.access import addresses, auth_key, connect_first
from dbhandler.serf.rpc import Serf
from dbhandler.settings.pool import pool_secrets
from dbhandler.settings.serf import serf_settings
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import new_secret

if TYPE_CHECKING:
    from dbhandler.pool.servers import PoolServers

DIFFERS = 1
MOVING = ("move", "drain", "rebalance")
USAGE = """usage: dbhandler-pool keygen
       dbhandler-pool id
       dbhandler-pool rotate gossip [--end]
       dbhandler-pool status [--json]
       dbhandler-pool check
       dbhandler-pool forget NODE
       dbhandler-pool move NAME --to NODE [--keep TIME] [--no-wait]
       dbhandler-pool move NAME --cancel
       dbhandler-pool drain NODE [--where LABELS] [--keep TIME] [--no-wait]
       dbhandler-pool drain NODE --end
       dbhandler-pool rebalance [--keep TIME] [--no-wait]

keygen  prints a new secret: the DBHANDLER_POOL_SECRET of all servers, proxies and backups of one pool.
id      prints the public name of the pool of DBHANDLER_POOL_SECRET, which applications take as DBHANDLER_POOL;
        of several secrets the first one's.
rotate gossip
        gives all members of the Serf cluster a new gossip key, while they run, and prints what SERF_ENCRYPT_KEY has
        to be in every container that is made from now on: the new key and the one before, which is still understood.
        With --end, once no container has the former setting, all members forget all keys but the first one of
        SERF_ENCRYPT_KEY, and that is printed. The Serf agent is asked as dbhandler-status asks it.
status  prints the servers that the pool's directory knows, what they carry, whether they get new databases, and the
        databases that move, or have moved within a day.
check   prints what differs between the directory and the servers: databases that two servers have, servers that are
        away or do not reach it. Nothing is printed where nothing does.
forget NODE
        gives up what a server that is lost for good may hold, and says what that is: nobody waits for it any more. It
        may come back, with those of its databases whose names nobody has taken meanwhile.

move    has a database go to another server of the pool, of the same engine and the same release or a later one, while
        it is used: it is copied, what is written meanwhile is made there, too, all tables are compared, and only then
        nobody writes for a moment, and the name becomes the other server's. Its accounts and passwords go with it; open
        sessions end. The former server keeps what it had for --keep (1h unless said): until then the database can go
        back, with all that was written since. Whatever fails before the switch is undone, and tried again four times;
        --cancel gives it up.
drain   gives a server no new databases any more, and moves all that it has to the others, which have its labels unless
        --where names others. --end: it gets new ones again.
rebalance
        moves databases until servers of one engine, release and labels have about as many each.
        All three print what happens until all is done; with --no-wait status tells it later.

All but keygen, id, rotate and, in a pool without a directory, forget are for a container of the pool: they need its
DBHANDLER_DIRECTORY and DBHANDLER_POOL_SECRET (docker exec db1 dbhandler-pool status).

exit status: 0 done, 1 check has found something, 64 wrong usage or setting, 69 no Serf agent, or a member has not done
it, or the directory is away (nothing is lost: run it again), or a move has failed and is undone, 77 denied
"""


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if usage.asked(argv) or not argv:
        return usage.show(argv, USAGE)
    environ = os.environ if environ is None else environ
    return edge.carried_out("dbhandler-pool", lambda: _carry_out(argv, environ))


def _carry_out(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    if argv == ["check"]:
        with _agent(environ) as serf:
            found = _servers(serf, environ).differences()
        print("".join(f"{sentence}\n" for sentence in found), end="")
        return DIFFERS if found else os.EX_OK
    if argv[0] in MOVING:
        # Only here: all else needs neither a server nor certificates.
        from dbhandler.pool import moves_cli

        with _agent(environ) as serf:
            return moves_cli.carry_out(argv, _servers(serf, environ).moves())
    print(_printed(argv, environ))
    return os.EX_OK


def _printed(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    match argv:
        case ["keygen"]:
            return new_secret()
        case ["id"]:
            return _id(environ)
        case ["rotate", "gossip"]:
            with _agent(environ) as serf:
                return gossip.rotate(serf)
        case ["rotate", "gossip", "--end"]:
            with _agent(environ) as serf:
                return gossip.end(serf, _gossip_key(environ))
        case ["status", *rest] if rest in ([], ["--json"]):
            with _agent(environ) as serf:
                return _status(_servers(serf, environ), is_json=bool(rest))
        case ["forget", node]:
            with _agent(environ) as serf:
                return _servers(serf, environ).forget(node)
    raise InvalidRequest(f"no such command: {shown(' '.join(argv))} (--help tells more)")


def _status(servers: PoolServers, is_json: bool) -> str:
    from dbhandler.pool import moves

    found, moving = servers.rows(), servers.moves()
    under_way = moving.all()
    if is_json:
        return as_json(found, moves.as_objects(under_way, moving.nodes))
    return "\n\n".join([table(found), *([moves.table(under_way, moving.nodes)] if under_way else [])])


def _servers(serf: Serf, environ: Mapping[str, str]) -> PoolServers:
    # Only here: all else needs neither a server nor certificates.
    from dbhandler.pool.servers import PoolServers

    return PoolServers(serf, environ)


def _agent(environ: Mapping[str, str]) -> Serf:
    return connect_first(addresses(None, environ), auth_key(environ))


def _gossip_key(environ: Mapping[str, str]) -> str:
    if not (keys := serf_settings(environ).encrypt_keys):
        raise ConfigError("SERF_ENCRYPT_KEY is not set: it has to say which key is the new one")
    return keys[0]


def _id(environ: Mapping[str, str]) -> str:
    if not (secrets := pool_secrets(environ)):
        raise ConfigError("DBHANDLER_POOL_SECRET is not set: there is no pool to tell the id of")
    return Pool(secrets).id
