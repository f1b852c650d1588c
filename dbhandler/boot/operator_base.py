"""What the operator's commands have in common: the server, names, the application's state file, the audit trail."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

from dbhandler import edge
from dbhandler.audit.record import Audit, Entry
from dbhandler.client.state import State
from dbhandler.engine.server import Server
from dbhandler.errors import Denied, Unavailable
from dbhandler.inventory import InState
from dbhandler.log import shown
from dbhandler.provisioning.drop_table import DropTable
from dbhandler.provisioning.names import Names
from dbhandler.provisioning.registry import Registry
from dbhandler.provisioning.restore import Restorer, client_loader
from dbhandler.requests.box import Credentials, Keys
from dbhandler.requests.payload import check_name
from dbhandler.settings.config import Config

OPERATOR = "operator"
"""Who asks, in the audit trail: whoever may run commands in the container."""


class Commands:
    """On this container's server. audit is told of what the commands have changed."""

    def __init__(self, config: Config, server: Server, audit: Audit) -> None:
        self._config, self._server, self._audit = config, server, audit
        self._registry, self._drops = Registry(server), DropTable(server)
        loader = client_loader(config.engine, config.socket, config.run_dir)
        self._restorer = Restorer(server, self._registry, loader)

    def _tell(self, operation: str, outcome: str, name: str | None = None, **more: str | None) -> None:
        self._audit(Entry(operation, outcome, name, origin=OPERATOR, **more))

    def _name(self, text: str) -> str:
        self._config.policy.check_database(check_name(text))
        return Names(self._server).folded(text)

    def _check_free(self, name: str) -> None:
        if drop := self._drops.of(name):
            where = f" by the node {drop.node}" if drop.node else ""
            raise Denied(
                f"the database {shown(name)} is being dropped{where}; "
                "if that one will never come back, reissue --undo-drop opens its account again"
            )

    def _key(self) -> str:
        path = self._config.state_dir / InState.KEY
        # Made by the agent: of two keys one would be worth nothing.
        if not path.exists():
            raise Unavailable(f"the agent of this server has not made its key yet ({path})")
        return Keys(path).public

    def _print_state(self, account: Credentials, key: str) -> None:
        cluster = self._config.group.name if self._config.group else None
        state = State(account.database, account.user, account.password, key, cluster=cluster)
        present = {name: value for name, value in asdict(state).items() if value is not None}
        print(json.dumps(present), flush=True)


def utc(seconds: float) -> str:
    """A moment, in seconds since 1970, as a person reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def say(text: str) -> None:
    """Tells the operator something, on stderr."""
    edge.say("dbhandler-admin", text)
