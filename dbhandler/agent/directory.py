"""An agent's part in the pool's directory, put together: it asks where new databases go, and tells how its server
stands."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbhandler.agent.watch import ServerWatch
from dbhandler.engine.server import Server, agent_server
from dbhandler.provisioning.move_table import MoveTable
from dbhandler.provisioning.provision import ANYWHERE
from dbhandler.provisioning.settling import Places
from dbhandler.requests.vocabulary import ServerState
from dbhandler.serf.membership import Membership
from dbhandler.serf.tags import Tag
from dbhandler.settings.config import Config

if TYPE_CHECKING:
    from dbhandler.directory.link import DirectoryLink
    from dbhandler.directory.standing import Standing


@dataclass(frozen=True)
class Placing:
    """Who says where new databases go, and the work of the thread that tells how this server stands. reached says
    whether that got through the last time; None: there is no directory. still says for how many seconds nothing that
    is to move from here has come on; None: nothing is."""

    places: Places = ANYWHERE
    reached: Callable[[], bool | None] = lambda: None
    threads: Mapping[str, Callable[[threading.Event], None]] = field(default_factory=dict)
    still: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class Own:
    """This server, as the directory knows it: its public key, what is seen of it and of the members, and the tag of the
    keys that its data were served with before."""

    config: Config
    key: str
    watch: ServerWatch
    membership: Callable[[], Membership]
    was: Callable[[], str]

    def standing(self) -> Standing:
        """Who it is, before anything is measured."""
        from dbhandler.directory.standing import Standing

        wanted, group, own = self.config.directory, self.config.group, self.membership().own
        return Standing(
            group.name if group else self.key, own.name if own else self.config.serf.node or socket.gethostname(),
            self.config.engine, self.watch.version or "", wanted.labels if wanted else frozenset(),
            most=self.config.policy.max_databases or 0,
        )  # fmt: skip

    def has_directory(self) -> bool:
        """Is the directory on it, or on its cluster?"""
        group, own = self.config.group, self.membership().own
        names = (group.name if group else None, own.name if own else None)
        return self.config.directory is not None and self.config.directory.name in names

    def link(self, server: Server) -> DirectoryLink:
        """A way to the directory for the thread whose connection `server` is."""
        from dbhandler.directory.link import DirectoryLink

        return DirectoryLink(
            str(self.config.directory and self.config.directory.name), self.config.pool_secrets,
            lambda: self.membership().members, lambda: server if self.has_directory() else None,
        )  # fmt: skip

    def serves(self) -> bool:
        """Is it ready?"""
        return self.watch.state == ServerState.READY


def placing(own: Own, server: Server, node: str = "") -> Placing:
    """Wires it together; nothing of it in a pool without a directory. server is the connection of the agent's loop,
    node this server's identity in a cluster."""
    if own.config.directory is None:
        return Placing()
    # Only here: who has no directory needs none of it.
    from dbhandler.agent.moving import movers
    from dbhandler.directory.account import DirectoryAccount
    from dbhandler.directory.keeping import Keeping
    from dbhandler.directory.places import Places as Asked

    # A connection is one thread's.
    threads_own = agent_server(own.config)
    account = DirectoryAccount(threads_own, own.config.pool_secrets)

    def prepare() -> None:
        if own.has_directory():
            account.ensure()

    keeping = Keeping(
        threads_own, own.link(threads_own), own.standing, lambda: own.was().split("."), own.config.directory.max_bytes,
        own.serves, prepare=prepare, others=MoveTable(threads_own).others,
    )  # fmt: skip
    asked = Asked(own.link(server), keeping.standing)
    moves = movers(own, keeping.standing, node)
    return Placing(asked, lambda: keeping.reached, {"directory": keeping.run, **moves.threads}, moves.still)


def directory_tag(config: Config) -> Mapping[str, str]:
    """The tag by which applications know that any server of the pool can be asked."""
    return {Tag.DIRECTORY: "1"} if config.directory else {}
