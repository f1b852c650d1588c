"""What a node of a Galera cluster remembers between its runs, in its state folder, and what its processes tell each
other, in its run folder. Each file has one writer."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dbhandler import files
from dbhandler.cluster_node import Ballot, Node, encode
from dbhandler.errors import DbHandlerError

IDENTITY, VIEW, VOTE = "cluster-id", "cluster-view.json", "cluster-vote"
NODE, ORDER = "cluster.json", "cluster-order"

BEGIN_ORDER, LOSS_ORDER = "begin", "begin and lose data"
"""The operator's orders: begin with what this node holds; the same where another one may be ahead of it."""

_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True)
class View:
    """The last primary component that this node was in: the UUID of the history, and names by identity."""

    uuid: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.names)


@dataclass(frozen=True)
class Published:
    """What the start program says of this node, for the tags while the server does not answer: the value of the tag
    `galera`, why the node waits, and the address that it gave its server."""

    tag: str
    reason: str = ""
    host: str = ""


class ClusterStore:
    """The files. Raises OSError, and DbHandlerError for content that is not ours."""

    def __init__(self, state_dir: Path, run_dir: Path) -> None:
        self._state, self._run = state_dir, run_dir

    def identity(self) -> str:
        """Which node this is: made once, and kept when its name and address change."""
        path = self._state / IDENTITY
        if not path.exists():
            # The agent and the start program of a first start come here at the same moment.
            files.write_private_once(path, secrets.token_hex(4) + "\n")
        text = path.read_text(errors="replace").strip()
        if not _ID.fullmatch(text):
            raise DbHandlerError(f"{path} holds no identity of a cluster node: 8 hexadecimal digits")
        return text

    def view(self) -> View:
        """The last primary component; an empty one where none is known."""
        try:
            values = json.loads((self._state / VIEW).read_text())
            return View(str(values["uuid"]), {str(id): str(name) for id, name in values["names"].items()})
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return View()

    def save_view(self, view: View) -> None:
        files.write_private(self._state / VIEW, json.dumps({"uuid": view.uuid, "names": dict(view.names)}) + "\n")

    def vote(self) -> Ballot | None:
        """The vote of the present outage."""
        try:
            id, nonce = (self._state / VOTE).read_text().split()
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise DbHandlerError(f"{self._state / VOTE} holds no vote") from error
        return Ballot(id, nonce)

    def save_vote(self, vote: Ballot | None) -> None:
        if vote is None:
            files.remove(self._state / VOTE)
        else:
            files.write_private(self._state / VOTE, f"{vote.id} {vote.nonce}\n")

    def publish(self, node: Node, reason: str = "", host: str = "") -> None:
        """Tells the agent what this node is while its server does not answer."""
        values = {"tag": encode(node), "reason": reason, "host": host}
        # Read all the time and worth nothing after a restart: renamed into place, never synced.
        unfinished = self._run / f".{NODE}.{os.getpid()}"
        unfinished.write_text(json.dumps(values))
        unfinished.replace(self._run / NODE)

    def unpublish(self) -> None:
        """Takes back what was published: nothing is known until the next time."""
        (self._run / NODE).unlink(missing_ok=True)

    def published(self) -> Published | None:
        """What was published last since the container started, or None."""
        try:
            return Published(**json.loads((self._run / NODE).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def order(self) -> str | None:
        """The operator's order, or None."""
        try:
            return (self._run / ORDER).read_text()
        except FileNotFoundError:
            return None

    def give_order(self, order: str | None) -> None:
        """Leaves an order for the start program; None takes it back."""
        if order is None:
            files.remove(self._run / ORDER)
        else:
            files.write_private(self._run / ORDER, order)
