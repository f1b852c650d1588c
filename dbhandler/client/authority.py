"""The certificate of whoever signs the servers' certificates: asked for where it is not known, kept in a file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from dbhandler import files
from dbhandler.client.discovery import AGAIN
from dbhandler.client.verified import question, read
from dbhandler.errors import DbHandlerError, NoAnswer
from dbhandler.log import shown
from dbhandler.requests.vocabulary import Query
from dbhandler.serf.members import Member
from dbhandler.serf.rpc import Serf


class AuthorityFile:
    """The file `path` with one certificate in PEM, which any TLS library reads; nothing is kept where path is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def load(self) -> str | None:
        """The certificate, None where there is none."""
        try:
            return self.path.read_text() if self.path else None
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, certificate: str) -> None:
        """Keeps it, for whoever may read: it is no secret. Raises DbHandlerError."""
        if self.path is None or self.load() == certificate:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            files.write_private(self.path, certificate)
            self.path.chmod(0o644)
        except OSError as error:
            raise DbHandlerError(f"the file {self.path} cannot be written: {error.strerror}") from error

    def remove(self) -> None:
        """Forgets it."""
        if self.path is not None:
            files.remove(self.path)


def ask_authority(serf: Serf, server: Member, pools: Sequence[str], timeout: float) -> str:
    """The certificate, in PEM, of who signs this server's, proved by one of the pools. Raises NoAnswer."""
    asked = question(Query.AUTHORITY, {}, pools)
    for node, line in serf.query(Query.AUTHORITY, asked.payload, timeout, nodes=[server.name], again=AGAIN):
        # A wrong one is somebody else's, under its name: its own may still come.
        answer = read(line, asked, pools) if node == server.name else None
        if answer and answer.root:
            return _pem(answer.root)
    complaint = f"the server {shown(server.name)} has not said who signs its certificate"
    raise NoAnswer(complaint, frozenset({server.name}))


def _pem(encoded: str) -> str:
    # RFC 7468.
    return "\n".join(["-----BEGIN CERTIFICATE-----", *textwrap.wrap(encoded, 64), "-----END CERTIFICATE-----", ""])
