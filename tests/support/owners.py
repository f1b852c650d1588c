"""A server that is played, whose database has an owner: it does what sealed boxes say, and records what was in them."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence

from dbhandler.requests.box import Credentials, Keys
from tests.support.applications import Answer
from tests.support.fakes import Reply, RpcServer, ok

WHERE = {"host": "10.0.0.97", "port": 3306}


class OwnersServer:
    """Has the database `shop`, whose owner's account is `shop`, and answers as FakeSerf wants it.

    opened holds (query, what was in its box), boxes the boxes themselves; passwords are those that are valid, by
    account; given are the accounts beside the owner's: role and ttl. lost is how many answers get lost, with what they
    tell of done all the same; page is how many accounts fit into an answer, ttl the answer's for the database.
    """

    def __init__(self, keys: Keys, password: str) -> None:
        self.keys, self.passwords = keys, {"shop": [password]}
        self.given: dict[str, tuple[str, int | None]] = {}
        self.opened: list[tuple[str, Credentials]] = []
        self.boxes: list[str] = []
        self.lost, self.page = 0, 100
        self.ttl: int | None = None

    def __call__(self, query: str, node: str, request: Mapping[str, str]) -> Answer | None:
        if query == "find_db":
            return {"status": "exists"}
        self.boxes.append(request["sealed"])
        box = self.keys.open(request["sealed"], "shop", None if query == "create_db" else query)
        self.opened.append((query, box))
        if box.password not in self.passwords.get(box.user, []) and not self._is_known(box):
            return {"status": "denied", "reason": "another password"}
        answer = getattr(self, f"_{query}")(box)
        self.lost -= 1
        return None if self.lost >= 0 else {**WHERE, **answer}

    def boxes_of(self, query: str) -> list[Credentials]:
        """What was in the boxes of a query."""
        return [box for name, box in self.opened if name == query]

    def _is_known(self, box: Credentials) -> bool:
        return box.new_password is not None and box.new_password in self.passwords.get(box.user, [])

    def _create_db(self, box: Credentials) -> Answer:
        return {"status": "exists", "ttl": self.given[box.user][1] if box.user in self.given else self.ttl}

    def _rotate_db(self, box: Credentials) -> Answer:
        valid, new = self.passwords[box.user], str(box.new_password)
        if new not in valid:
            self.passwords[box.user] = [new, valid[0]] if box.keep_old else [new]
        return {"status": "rotated"}

    def _grant_db(self, box: Credentials) -> Answer:
        user, new = str(box.account), str(box.new_password)
        is_new = user not in self.given
        if new not in self.passwords.setdefault(user, [new]):
            return {"status": "denied", "reason": "exists and has another password"}
        if not is_new and self.given[user][0] != box.role:
            return {"status": "denied", "reason": "has another role"}
        self.given[user] = (str(box.role), box.ttl)
        return {"status": "created" if is_new else "exists", "ttl": box.ttl}

    def _revoke_db(self, box: Credentials) -> Answer:
        self.passwords.pop(str(box.account), None)
        return {"status": "revoked" if self.given.pop(str(box.account), None) else "absent"}

    def _renew_db(self, box: Credentials) -> Answer:
        return {"status": "renewed", "ttl": box.ttl}

    def _accounts_db(self, box: Credentials) -> Answer:
        rest = sorted(user for user in self.given if user > (box.account or ""))
        page = [[user, *self.given[user]] for user in rest[: self.page]]
        return {"status": "ok", "count": len(rest), "accounts": page}


def agent(server: OwnersServer) -> RpcServer:
    """A Serf agent with a socket, in whose cluster the server is the member `a`."""
    tags = {"role": "db", "mysql": "ready", "key": server.keys.public}
    member = {
        "Name": "a",
        "Addr": ipaddress.ip_address("10.0.0.97").packed,
        "Port": 7946,
        "Status": "alive",
        "Tags": tags,
    }

    def reply(command: str, body: dict[str, object], seq: int) -> Reply:
        if command == "members":
            return ok(seq, {"Members": [member]})
        return [*ok(seq), *_answered(server, body, seq)] if command == "query" else ok(seq)

    return RpcServer(reply)


def _answered(server: OwnersServer, body: Mapping[str, object], seq: int) -> Sequence[object]:
    payload = body["Payload"]
    request = json.loads(payload if isinstance(payload, str | bytes) else "")
    answer = server(str(body["Name"]), "a", request)
    records: list[dict[str, object]] = [{"Type": "done"}]
    if answer is not None:
        records.insert(0, {"Type": "response", "From": "a", "Payload": json.dumps(answer).encode()})
    return [part for record in records for part in ({"Seq": seq, "Error": ""}, record)]
