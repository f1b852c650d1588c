"""Which server has a database, or shall get it: never guessed. All are asked, or one where the pool has a directory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from dbhandler.client.servers import any_ready, distinct_servers, how_it_is, is_ready, ready_node, way_out
from dbhandler.client.successor import named_successor, successor
from dbhandler.client.verified import question, read
from dbhandler.errors import InvalidRequest, NoAnswer, TryLater, Unavailable
from dbhandler.log import shown
from dbhandler.requests.answer_record import Answer
from dbhandler.requests.question import Question
from dbhandler.requests.vocabulary import Query, Status
from dbhandler.requests.weight import weight
from dbhandler.serf.members import Member, named
from dbhandler.serf.proof import Believer, names_of
from dbhandler.serf.rpc import Serf
from dbhandler.serf.tags import Role, Tag

ANSWER_TIMEOUT = 4.0
"""Seconds for one query; the server's own handler gives up after two."""
AGAIN = 0.3
"""Seconds after which a question is sent anew to whoever has not answered yet: one lost datagram cost all four."""
LOOK_AROUND = 1.0
"""Seconds for which all servers of a pool with a directory are asked who has a database, where one has not answered: a
known name is found while the directory is away, and a new one waits no longer than that."""
MOST_NAMED = 3
"""Servers that a query names one by one: it has at most 1024 bytes, whatever the size of the pool."""
_YES_OR_NO = (Status.EXISTS, Status.ABSENT, Status.INVALID)
_DECISIVE = {Query.FIND: _YES_OR_NO, Query.WHERE: (*_YES_OR_NO, Status.PLACED)}


def find_server(
    serf: Serf,
    database: str,
    key: str | None,
    cluster: str | None = None,
    avoid: Collection[str] = (),
    pools: Collection[str] = (),
    only_met: bool = False,
    at: str | None = None,
    where: str | None = None,
) -> Member:
    """The ready server that has the database, or the one that shall get it, or that knows which one does.

    key is the public key of the server known to have it, cluster the name of its cluster, whose nodes are one
    server; at is the member of whom a server has said that it has it, which counts more. A node that is named in
    `avoid` is taken only where there is no other. Only servers that prove to be of one of the pools are believed, all
    where none is named. only_met: nobody has named the pool, so where none of it is left the owner may be told of a
    server outside of it. where says what the server of a new database has to be, which only a directory sees to.

    Raises Unavailable where there is no server, TryLater while the right one is not ready, or while one that might have
    the database does not answer, InvalidRequest where every server refuses the name, or where `where` is for nobody.
    """
    everybody, believer = serf.members(), Believer(pools)
    members, unproven = believer.believed(everybody), believer.unproven(everybody)
    servers = distinct_servers(members, avoid)
    if not servers:
        # A pool of one, that had made its secret itself, is lost with the state volume.
        advice = named_successor(unproven, database, key) if only_met and key else None
        raise TryLater(advice) if advice else _none_there(unproven, pools)
    if at is not None:
        return _placed(members, at, avoid)
    if key is not None:
        return ready_node(members, _known(members, servers, database, key, cluster, bool(pools)), avoid)
    if any(map(_has_directory, members)):
        return _by_directory(serf, members, servers, database, avoid, pools)
    if where and any(map(is_ready, members)):
        raise InvalidRequest(
            "--where needs a pool with a directory (DBHANDLER_DIRECTORY): in this one nobody decides where a new "
            "database goes"
        )
    return _by_asking_all(serf, [ready_node(members, server, avoid) for server in servers], database, pools)


def hosts_of(serf: Serf, server: Member, pools: Collection[str] = ()) -> tuple[str, ...]:
    """`host:port` of every other live node of the server's cluster that proves to be of one of the pools (of any
    where none is named), those that are ready first: the others are about to be. A node that has not said yet who it is
    may not have said either where it is reached."""
    cluster = server.group
    nodes = [node for node in Believer(pools).believed(serf.members()) if cluster and node.group == cluster]
    told = [node for node in nodes if node.alive and node.key and node.name != server.name]
    ordered = sorted(told, key=lambda node: (not is_ready(node), node.name))
    return tuple(node.server_address for node in ordered)


def _none_there(unproven: list[Member], pools: Collection[str]) -> Unavailable:
    if not unproven:
        return Unavailable("there is no database server in the Serf cluster")
    return TryLater(
        f"waiting for a server of the pool {', '.join(pools)}: {names_of(unproven)} cannot prove to be of it"
    )


def _known(
    members: list[Member], servers: list[Member], database: str, key: str, cluster: str | None, proven: bool
) -> Member:
    """The server with the key, or the cluster that has it by now, or had it when it was asked, or, where they
    are proven, who has its data."""
    named = [member.group for member in members if member.key == key]
    for server in servers:
        if server.key == key or server.group in {cluster, *named} - {None}:
            return server
    if proven and (heir := successor(servers, key)):
        return heir
    if (found := named_successor(servers, database, key)) is not None:
        raise TryLater(found)
    raise TryLater("the server that has the database is not in the Serf cluster")


def _placed(members: Collection[Member], name: str, avoid: Collection[str]) -> Member:
    """The server of whom another one has said that it has the database. Raises TryLater."""
    server = named(members, name)
    if server is None or not server.is_database:
        how = f"not in the Serf cluster, or not believed{way_out([name])}"
    elif (node := any_ready(members, server, avoid)) is not None:
        return node
    else:
        how = how_it_is(server)
    raise TryLater(f"waiting for the server {shown(name)}, which has the database, and is {how}")


def _weight(server: Member, database: str) -> bytes:
    # The same for every client, and for a directory: of those that may have a new database this one is the first.
    return weight(str(server.identity), database)


def _has_directory(member: Member) -> bool:
    return member.is_database and member.alive and Tag.DIRECTORY in member.tags


def _by_directory(
    serf: Serf,
    members: Collection[Member],
    servers: Collection[Member],
    database: str,
    avoid: Collection[str],
    pools: Collection[str],
) -> Member:
    """One server of a pool with a directory, which knows who has the database, or makes it, or says who shall; where
    one has not answered before, whoever has it is found without the directory. Raises TryLater where none is ready."""
    found = [node for server in servers if (node := any_ready(members, server, avoid))]
    # One that does not know of the directory would make the database without a look.
    knowing = [node for node in found if _has_directory(node)]
    if not knowing:
        return ready_node(members, next(filter(_has_directory, members)), avoid)
    if avoid and (holder := _holder(serf, found, database, pools)):
        return holder
    untried = [node for node in knowing if node.name not in avoid]
    return max(untried or knowing, key=lambda node: _weight(node, database))


def _holder(serf: Serf, servers: Iterable[Member], database: str, pools: Collection[str]) -> Member | None:
    """The first server that says that it has the database; None where none has said so in time."""
    waiting = {server.name: server for server in servers}
    told = who_has_it(serf, waiting, database, pools, LOOK_AROUND)
    return next((server for server, answer in told if answer.status == Status.EXISTS), None)


def _by_asking_all(serf: Serf, nodes: list[Member], database: str, pools: Collection[str]) -> Member:
    if len(nodes) == 1:
        return nodes[0]
    holders, free = _holders(serf, nodes, database, pools)
    return max(holders or free, key=lambda server: _weight(server, database))


def _holders(
    serf: Serf, servers: list[Member], database: str, pools: Collection[str]
) -> tuple[list[Member], list[Member]]:
    """The servers that have the database, and those that have not but take its name. Raises TryLater unless every
    server has said yes or no: a server that is away may have it, and a second database of that name would split the
    application's data. Raises InvalidRequest where no server takes the name."""
    waiting = {server.name: server for server in servers}
    said: dict[str, list[Member]] = {Status.EXISTS: [], Status.ABSENT: [], Status.INVALID: []}
    reason = ""
    for server, answer in who_has_it(serf, waiting, database, pools, ANSWER_TIMEOUT):
        said[answer.status].append(server)
        reason = f"the server {shown(server.name)} says {answer.status}: {answer.reason}"
    if waiting:
        raise NoAnswer(_waiting_for([*waiting]), frozenset(waiting))
    if not (said[Status.EXISTS] or said[Status.ABSENT]):
        raise InvalidRequest(reason)
    return said[Status.EXISTS], said[Status.ABSENT]


def who_has_it(
    serf: Serf,
    waiting: dict[str, Member],
    database: str,
    pools: Collection[str],
    timeout: float,
    query: Query = Query.FIND,
) -> Iterator[tuple[Member, Answer]]:
    """Asks the servers, by name, whether they have the database; each that says yes or no, or to `where_db` who has it,
    is taken out of `waiting`, and told with its answer. Ends when none is left, or after `timeout` seconds."""
    asked, tags, decisive = _whether_there(query, database, pools), _by_role(waiting), _DECISIVE[query]
    for node, line in serf.query(query, asked.payload, timeout, nodes=_Named(waiting), tags=tags, again=AGAIN):
        answer = read(line, asked, pools)
        if node in waiting and answer and answer.status in decisive:
            yield waiting.pop(node), answer
        if not waiting:
            break


class _Named(Collection[str]):
    """The names that a query holds: those of all whom it is for, or none where they are too many."""

    def __init__(self, waiting: Collection[str]) -> None:
        self._waiting = waiting

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._waiting if len(self._waiting) <= MOST_NAMED else ())

    def __len__(self) -> int:
        return len(list(iter(self)))


def _by_role(waiting: Collection[str]) -> Mapping[str, str] | None:
    return {Tag.ROLE: f"^{Role.DATABASE}$"} if len(waiting) > MOST_NAMED else None


def _whether_there(query: Query, database: str, pools: Collection[str]) -> Question:
    """The question to all servers: a bare name is one that every version understands."""
    return question(query, {"database": database}, pools) if pools else Question(query, database.encode())


def _waiting_for(names: list[str]) -> str:
    has = "has" if len(names) == 1 else "have"
    told = ", ".join(map(shown, names))
    return f"waiting for {told}, which might have the database and {has} not answered{way_out(names)}"
