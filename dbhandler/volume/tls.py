"""The keys with which the server protects passwords on their way, made once per volume.

MariaDB would make a TLS key at every start, which takes longer than all the rest of its start, and a new identity each
time that no client can remember. MySQL would make its keys once, and go without TLS for ever if it was killed then.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dbhandler.errors import DbHandlerError
from dbhandler.spool import sync_folder

KEY, CERTIFICATE = "server-key.pem", "server-cert.pem"
"""The names under which MySQL makes and finds its own in the data directory; my.cnf names them for both engines."""

AUTHORITY = "pool-ca.pem"
"""The roots of the pool's authority, for the nodes of a cluster, which check each other (volume/certificate.py)."""

RSA_KEY, RSA_PUBLIC = "private_key.pem", "public_key.pem"
"""MySQL's names for the pair that protects a password where there is no TLS (caching_sha2_password)."""

DAYS = 3650
TIMEOUT = 60.0
"""Seconds."""


def ensure_keys(engine: str, data_dir: Path) -> None:
    """Makes what the engine needs and is not there: an elliptic-curve key with a self-signed certificate, and MySQL's
    RSA pair. A kill at any moment leaves nothing that the next call would not finish. Raises DbHandlerError."""
    key, certificate = data_dir / KEY, data_dir / CERTIFICATE
    if not key.exists():
        unfinished = data_dir / f".{KEY}"
        _openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", str(DAYS), "-subj", "/CN=dbhandler", "-keyout", str(unfinished), "-out", str(certificate),
        ])  # fmt: skip
        _finish(unfinished, key, certificate)
    private, public = data_dir / RSA_KEY, data_dir / RSA_PUBLIC
    if engine == "mysql" and not private.exists():
        unfinished = data_dir / f".{RSA_KEY}"
        _openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(unfinished)])
        _openssl(["pkey", "-in", str(unfinished), "-pubout", "-out", str(public)])
        _finish(unfinished, private, public)


def _openssl(arguments: Sequence[str]) -> None:
    try:
        subprocess.run(
            ["openssl", *arguments], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DbHandlerError(f"the server's keys cannot be made: openssl: {type(error).__name__}") from error


def _finish(unfinished: Path, key: Path, public: Path) -> None:
    unfinished.chmod(0o600)
    for path in (unfinished, public):
        with path.open("rb") as file:
            os.fsync(file.fileno())
    # The key gets its name last: with the name, both are whole.
    unfinished.rename(key)
    sync_folder(str(key.parent))
