"""Plays servers of a pool, in a container of the database's image: a Serf agent and a door for each, one program for
all. It claims names in the real directory and answers as a server does, but makes nothing."""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
import time
from functools import partial
from pathlib import Path

from dbhandler import paths
from dbhandler.address import GOSSIP_PORT
from dbhandler.directory.link import DirectoryLink
from dbhandler.directory.places import Places
from dbhandler.directory.standing import Standing
from dbhandler.errors import DbHandlerError, Elsewhere, Unavailable
from dbhandler.requests import door
from dbhandler.requests.answer import encode
from dbhandler.requests.box import Keys
from dbhandler.requests.payload import parse_one
from dbhandler.requests.signer import Signer
from dbhandler.requests.where import parse as where_of
from dbhandler.serf.members import Member
from dbhandler.serf.proof import Prover
from dbhandler.serf.rpc import Serf
from dbhandler.trust.pool import Pool
from dbhandler.trust.secret import parse

SECRETS = parse(os.environ["DBHANDLER_POOL_SECRET"])
POOL, HOST = Pool(SECRETS), socket.gethostbyname(socket.gethostname())
FIRST_GOSSIP, RPC = 20000, 30000


class Members:
    """What the first agent knows, looked at once a second, as an agent of ours does."""

    def __init__(self) -> None:
        self._found, self._next = list[Member](), 0.0

    def __call__(self) -> list[Member]:
        if time.monotonic() >= self._next:
            with Serf(f"127.0.0.1:{RPC}") as serf:
                self._found, self._next = serf.members(), time.monotonic() + 1
        return self._found


class Played:
    """One server that is played."""

    def __init__(self, number: int, link: DirectoryLink) -> None:
        self.name, self._folder, self._link = f"p{number}", Path(f"/tmp/p{number}"), link
        self._folder.mkdir(mode=0o700)
        self._keys = Keys(self._folder / "key")
        self.standing = Standing(self._keys.public, self.name, "mariadb")
        self._places = Places(link, lambda: self.standing)
        self._signer = Signer(POOL, self._keys, lambda: None)
        self._environ = {**os.environ, "DBHANDLER_RUN_DIR": str(self._folder)}
        self.listener = door.listen(paths.agent_socket(self._environ))
        self._start(number)

    def _start(self, number: int) -> None:
        tags = {
            "role": "db", "key": self._keys.public, "mysql": "ready", "engine": "mariadb", "version": "11.8.3",
            "port": "3306", "own": "0", "dir": "1",
        }  # fmt: skip
        member = Member(self.name, HOST, FIRST_GOSSIP + number, "alive", tags)
        told = [f"-tag={name}={text}" for name, text in {**tags, **Prover(POOL).proofs(member)}.items()]
        subprocess.Popen(
            ["serf", "agent", f"-node={self.name}", f"-bind={HOST}:{FIRST_GOSSIP + number}", "-log-level=err",
             f"-rpc-addr=127.0.0.1:{RPC + number}", f"-retry-join={os.environ['SERF_JOIN']}:{GOSSIP_PORT}",
             "-event-handler=query:create_db=dbhandler-query", *told],
            env=self._environ, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def tell(self) -> None:
        """Stands in the directory from now on."""
        self._link.ask(lambda directory: directory.tell(self.standing))

    def answer(self, query: str, payload: bytes) -> bytes:
        """What a server says to a request for a database."""
        return self._signer.signed(query, payload, encode(self._answer(payload)))

    def _answer(self, payload: bytes) -> dict[str, object]:
        try:
            request = parse_one(payload)
            asker = self._keys.open(str(request.sealed), request.database)
            self._places.settle(request.database, where_of(request.where))
        except Elsewhere as error:
            return {"status": "placed", "server": error.server, "reason": str(error)}
        except DbHandlerError as error:
            return {"status": "unavailable", "reason": str(error)}
        return {"status": "created", "host": HOST, "port": 3306, "user": asker.user}


def main() -> None:
    """Plays until it is ended."""
    members = Members()
    link = DirectoryLink(os.environ["DBHANDLER_DIRECTORY"], SECRETS, members)
    selector, played = selectors.DefaultSelector(), list[Played]()
    for number in range(int(os.environ["SERVERS"])):
        played.append(one := Played(number, link))
        selector.register(one.listener, selectors.EVENT_READ, partial(door.serve_one, one.listener, one.answer))
        # All at once they would not find each other.
        time.sleep(0.2)
    for one in played:
        while True:
            try:
                one.tell()
                break
            except (Unavailable, OSError):
                time.sleep(1)
    while True:
        for key, _ in selector.select():
            key.data()


if __name__ == "__main__":
    main()
