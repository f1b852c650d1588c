"""The cluster that is attacked, the containers that attack it, and what has to hold afterwards."""

from __future__ import annotations

import base64
import itertools
import json
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pymysql
from nacl.public import PrivateKey

from dbhandler.trust.pool import Pool
from tests.support.containers import RPC_KEY, SERVERS, Container, Database, Site
from tests.support.docker import docker, eventually, inspect

QUERIES = ("create_db", "find_db", "list_db", "status_db", "rotate_db", "drop_db")
GOSSIP_KEY = "aG9zdGlsZS1nb3NzaXAta2V5LW9mLTMyLWJ5dGVzLWE="
MEMORY = "1g"
"""What the server's container may take: whoever makes Serf take it all is to end Serf alone."""
FORGED = "python3 /tmp/forge.py"
BOUND = 60.0
"""Seconds within which an honest request is served after an attack that may have ended Serf: it is restarted, joins
again, and the machine is busy with the attack itself."""

_FORGE = (Path(__file__).parents[1] / "hostile" / "forge.py").read_text()
_WEAPONS = (
    (Path(__file__).parents[1] / "hostile" / "weapons.py").read_text().partition('\nif __name__ == "__main__":')[0]
)
_numbers = itertools.count(1)

TERMINAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor or worse; a tabulator and the end of a line do not."""


class Attacker(Container):
    """A container on the cluster's network, with Python and no key but those that it is told."""

    def attack(self, weapon: str, *arguments: object, **named: object) -> Any:
        """Runs one function of weapons.py inside, to its end; returns what it returns."""
        call = f"{weapon}(*{list(arguments)!r}, **{named!r})"
        printed = self.exec("python3", "-", stdin=f"{_WEAPONS}\nimport json\nprint(json.dumps({call}, default=repr))\n")
        return json.loads(printed.splitlines()[-1])

    @contextmanager
    def holding(self, host: str, port: int, count: int, hello: str = "") -> Iterator[None]:
        """Holds so many connections open meanwhile, and opens them again when they are hung up."""
        self.exec("rm", "-f", "/tmp/held", "/tmp/over")
        script = f"{_WEAPONS}\nhold({host!r}, {port}, {count}, {hello!r}, 90.0)\n"
        docker("exec", "-d", self.name, "python3", "-c", script)
        eventually("the connections", lambda: self.run("cat", "/tmp/held").stdout.isdigit())
        try:
            yield
        finally:
            self.exec("touch", "/tmp/over")


class Network:
    """A network with one Serf agent, at which honest applications ask."""

    def __init__(self, site: Site, encrypted: bool = True) -> None:
        self.site, self.name = site, site.network()
        self.on = ("--network", self.name)
        self.keys = {"SERF_RPC_AUTH": RPC_KEY} | ({"SERF_ENCRYPT_KEY": GOSSIP_KEY} if encrypted else {})
        self.agent = site.agent(options=self.on, **self.keys)

    def request(self, *arguments: str, timeout: float = BOUND, **environ: str) -> subprocess.CompletedProcess[str]:
        """dbhandler-request, run in the agent's container: its exit status and what it printed."""
        return self._run("dbhandler-request", *arguments, "--timeout", f"{timeout:.0f}", **environ)

    def status(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """dbhandler-status, run there."""
        return self._run("dbhandler-status", *arguments, **environ)

    def _run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        variables = [f"{name}={value}" for name, value in environ.items()]
        return self.agent.run("env", *variables, *command, SERF_RPC_AUTH=RPC_KEY)

    def tags(self, member: Container) -> dict[str, str]:
        """The tags of a member as the agent knows them."""
        return dict(self.agent.members().get(member.node, {}).get("tags", {}))


class Ground(Network):
    """With a database server, and an attacker."""

    def __init__(self, site: Site, engine: str, *command: str, encrypted: bool = True, **environ: str) -> None:
        super().__init__(site, encrypted)
        limits = ("--memory", MEMORY, "--memory-swap", MEMORY, "-p", "127.0.0.1::3306", "-p", "127.0.0.1::7373")
        started = site.start(
            f"dbhandler:{engine}", *command, options=(*self.on, *limits), SERF_JOIN=self.agent.name,
            **self.keys, **environ,
        )  # fmt: skip
        self.server = Database(started, engine)
        self.attacker = Attacker(
            site.start("dbhandler-serf", "infinity", options=(*self.on, "--entrypoint", "sleep", "--user", "0"))
        )

    def wait_ready(self) -> Ground:
        self.server.wait_healthy()
        eventually("the server to be seen", self.seen)
        return self

    def seen(self) -> bool:
        """Does the agent see the server ready?"""
        member = self.agent.members().get(self.server.node, {"status": "", "tags": {}})
        return (member["status"], member["tags"].get("mysql")) == ("alive", "ready")

    def life(self) -> tuple[str, str]:
        """What changes when the container or its database server has ended: start of the one, number of the other."""
        # Other processes end while it looks.
        script = f"grep -slx {SERVERS[self.server.engine]} /proc/[0-9]*/comm || true"
        return inspect(self.server.name, ".State.StartedAt"), self.server.exec("sh", "-c", script)

    @contextmanager
    def unharmed(self, within: float = BOUND) -> Iterator[None]:
        """Whatever is done meanwhile: the server lives on, and serves an honest request afterwards in so many
        seconds."""
        before = self.life()
        yield
        assert self.server.running, f"the container has ended:\n{self.server.logs[-3000:]}"
        assert self.life() == before, f"the database server has ended:\n{self.server.logs[-3000:]}"
        self.served(within)

    def served(self, within: float = BOUND) -> dict[str, Any]:
        """What an honest application is given that asks for a database of its own."""
        name = f"honest_{next(_numbers)}"
        began = time.monotonic()
        done = self.request(name, "--format", "json", timeout=within)
        seconds = time.monotonic() - began
        assert done.returncode == 0, f"{done.stdout}\n{self.server.logs[-3000:]}"
        assert seconds < within + 2, f"served after {seconds:.1f} s"
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def passed_on(self, sender: Container) -> None:
        """Waits until all that the sender has fired is carried out: no gossip is left to send, and a query that is
        answered has passed the events before it."""
        for member in (sender, self.agent, self.server):
            eventually("gossip to be sent", partial(_quiet, member))
        self.decided("find_db", {"database": "kept"})
        eventually("the spool to be empty", lambda: self.server.exec("ls", "/var/lib/dbhandler/spool") == "")

    def tags_follow(self) -> None:
        """Is a tag that is not true corrected, as by an agent that still looks after them?"""
        self.server.serf("tags", "-set", "mysql=owned")
        eventually("the tag to be true again", lambda: self.server.tags().get("mysql") == "ready")

    def ask(self, query: str, payload: bytes | str | Mapping[str, object]) -> Any:
        """The server's answer to a query that another member asks."""
        return self.agent.query(query, payload, self.server)

    def decided(self, query: str, payload: dict[str, object]) -> Any:
        """The server's answer once it is one: what takes long is `unavailable` until it is done, and asked again."""
        answers: list[Any] = []

        def decisive() -> bool:
            answers.append(self.ask(query, payload))
            return bool(answers[-1]["status"] != "unavailable")

        eventually(f"an answer to {query}", decisive)
        return answers[-1]

    def quick(self, within: float = 3.0) -> float:
        """Seconds after which another member's query is answered; fails when it takes longer."""
        began = time.monotonic()
        answer = self.ask("create_db", f"quick_{next(_numbers)}")
        seconds = time.monotonic() - began
        assert answer["status"] == "created", answer
        assert seconds < within, f"answered after {seconds:.1f} s"
        return seconds


def _quiet(member: Container) -> bool:
    return bool(json.loads(member.serf("info", "-format=json"))["serf"]["event_queue"] == "0")


def lets_in(server: Database, user: str, password: str) -> bool:
    """Does the server let the account in? However it says no."""
    with suppress(pymysql.err.MySQLError):
        server.connect(user, password).close()
        return True
    return False


def clean(text: str) -> str:
    """The text, when nothing in it works on a terminal; fails otherwise."""
    found = TERMINAL.search(text)
    assert not found, f"{found[0]!r} in {text[max(0, found.start() - 200) : found.end() + 50]!r}"
    return text


class Impostor(Container):
    """A member that says it is a database server: real Serf, whose handlers answer what they are told to."""

    script = "cat /tmp/$SERF_QUERY_NAME 2>/dev/null"

    def __init__(self, network: Network, *options: str) -> None:
        made = network.site.agent(
            f"-event-handler={handler(self.script)}", *options, options=network.on, **network.keys
        )
        super().__init__(made.name)
        self.private = PrivateKey.generate()
        self.claim()
        assert made.serf("join", network.agent.address)

    def claim(self, **tags: str) -> None:
        """Shows the tags of a server that is ready, but for those that are given."""
        with self.rpc() as serf:
            serf.set_tags({"role": "db", "mysql": "ready", "engine": "mariadb", "port": "3306", "key": self.key} | tags)

    @property
    def key(self) -> str:
        """Its own public key."""
        return base64.b64encode(bytes(self.private.public_key)).decode()

    def withdraw(self) -> None:
        """Says that it is nothing any more."""
        with self.rpc() as serf:
            serf.set_tags({"role": "nothing"}, ["mysql", "engine", "port", "key", "version", "proof"])

    def answers(self, query: str, answer: object) -> None:
        """What it answers from now on: JSON of the answer, or the text as it is."""
        text = answer if isinstance(answer, str) else json.dumps(answer)
        self.exec("sh", "-c", f"cat > /tmp/{query}; chmod 644 /tmp/{query}", stdin=text)


class Forger(Impostor):
    """An impostor with the source of all this at hand, a pool of its own, and true answers that it has captured: see
    tests/hostile/forge.py, which answers."""

    script = FORGED

    def __init__(self, network: Network, pool: str) -> None:
        super().__init__(network)
        self.pool = arm(self, self.private, pool)

    def heard(self, query: str = "") -> list[dict[str, Any]]:
        """The payloads, as objects, that it was asked with."""
        return heard(self, query)


def handler(script: str) -> str:
    """Serf's option value: what answers all queries."""
    return ",".join(f"query:{name}" for name in QUERIES) + "=" + script


def arm(forger: Container, private: PrivateKey, pool: str, captured: Mapping[str, str] | None = None) -> Pool:
    """Puts all into a forger's container that its answers need; returns the pool that it makes for itself. pool is the
    one that it attacks, captured has true answers by `QUERY DATABASE`."""
    own = Pool([secrets.token_bytes(32)])
    told = json.dumps({"secret": own.secrets[0].hex(), "pool": pool, "captured": captured or {}})
    for name, text in (
        ("forge.py", _FORGE), ("told.json", told), ("key", base64.b64encode(bytes(private)).decode()), ("heard", ""),
    ):  # fmt: skip
        forger.exec("sh", "-c", f"cat > /tmp/{name}", stdin=text)
    return own


def heard(forger: Container, query: str = "") -> list[dict[str, Any]]:
    """What a forger was asked, of the query if one is given."""
    lines = [json.loads(line) for line in forger.exec("cat", "/tmp/heard").splitlines()]
    asked = [payload for name, payload in lines if query in ("", name)]
    return [json.loads(text) if text.startswith("{") else {"database": text.strip()} for text in asked]
