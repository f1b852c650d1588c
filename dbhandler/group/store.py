"""What a node of a cluster remembers between its runs, in its state folder, and what its processes tell each
other, in its run folder. Each file has one writer."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbhandler import files
from dbhandler.errors import DbHandlerError
from dbhandler.group.node import Ballot, Node, encode
from dbhandler.inventory import InRun, InState

BEGIN_ORDER, LOSS_ORDER = "begin", "begin and lose data"
"""The operator's orders: begin with what this node holds; the same where another one may be ahead of it."""

_ID = re.compile(r"[0-9a-f]{8}")
_VOTE = re.compile(r"([0-9a-f]{1,8}) ([0-9a-f]{1,8})\n")


@dataclass(frozen=True)
class View:
    """The last primary component that this node was in: the UUID of the history, names by identity (empty: not known
    with whom), and how many of its members were no nodes of ours."""

    uuid: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    strangers: int = 0

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


class GroupStore:
    """The files. Raises OSError, and DbHandlerError for content that is not ours."""

    def __init__(self, state_dir: Path, run_dir: Path) -> None:
        self._state, self._run = state_dir, run_dir

    def identity(self) -> str:
        """Which node this is: made once, and kept when its name and address change."""
        path = self._state / InState.CLUSTER_ID
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
            values: Any = files.read_json(self._state / InState.CLUSTER_VIEW)
            names = {str(id): str(name) for id, name in values["names"].items() if _ID.fullmatch(str(id))}
            return View(str(values["uuid"]), names, int(values.get("strangers", 0)))
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            return View()

    def save_view(self, view: View) -> None:
        values = {"uuid": view.uuid, "names": dict(view.names), "strangers": view.strangers}
        files.write_private(self._state / InState.CLUSTER_VIEW, json.dumps(values) + "\n")

    def vote(self) -> Ballot | None:
        """The vote of the present outage."""
        try:
            text = (self._state / InState.CLUSTER_VOTE).read_text(errors="replace")
        except FileNotFoundError:
            return None
        if not (found := _VOTE.fullmatch(text)):
            raise DbHandlerError(f"{self._state / InState.CLUSTER_VOTE} holds no vote")
        return Ballot(found[1], found[2])

    def save_vote(self, vote: Ballot | None) -> None:
        if vote is None:
            files.remove(self._state / InState.CLUSTER_VOTE)
        else:
            files.write_private(self._state / InState.CLUSTER_VOTE, f"{vote.id} {vote.nonce}\n")

    def publish(self, node: Node, reason: str = "", host: str = "") -> None:
        """Tells the agent what this node is while its server does not answer."""
        values = {"tag": encode(node), "reason": reason, "host": host}
        # Read all the time and worth nothing after a restart: renamed into place, never synced.
        unfinished = self._run / f".{InRun.CLUSTER_NODE}.{os.getpid()}"
        unfinished.write_text(json.dumps(values))
        unfinished.replace(self._run / InRun.CLUSTER_NODE)

    def unpublish(self) -> None:
        """Takes back what was published: nothing is known until the next time."""
        (self._run / InRun.CLUSTER_NODE).unlink(missing_ok=True)

    def published(self) -> Published | None:
        """What was published last since the container started, or None."""
        try:
            values: Any = files.read_json(self._run / InRun.CLUSTER_NODE)
            return Published(**values)
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def order(self) -> str | None:
        """The operator's order, or None."""
        try:
            return (self._run / InRun.CLUSTER_ORDER).read_text()
        except FileNotFoundError:
            return None

    def give_order(self, order: str | None) -> None:
        """Leaves an order for the start program; None takes it back."""
        if order is None:
            files.remove(self._run / InRun.CLUSTER_ORDER)
        else:
            files.write_private(self._run / InRun.CLUSTER_ORDER, order)
