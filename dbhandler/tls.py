"""A TLS key of the server's own, made once per volume.

MariaDB would make an RSA key at every start, which takes longer than all the rest of its start, and a new identity each
time that no client can remember.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dbhandler.errors import DbHandlerError
from dbhandler.spool import sync_folder

KEY, CERTIFICATE = "server-key.pem", "server-cert.pem"
"""The names under which MySQL makes and finds its own in the data directory."""

DAYS = 3650
TIMEOUT = 60.0
"""Seconds."""


def ensure_key(data_dir: Path) -> None:
    """Makes an elliptic-curve key and a self-signed certificate, unless they are there. Raises DbHandlerError."""
    key, certificate = data_dir / KEY, data_dir / CERTIFICATE
    if key.exists():
        return
    unfinished = data_dir / f".{KEY}"
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", str(DAYS), "-subj", "/CN=dbhandler", "-keyout", str(unfinished), "-out", str(certificate),
    ]  # fmt: skip
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        unfinished.chmod(0o600)
        for path in (unfinished, certificate):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        # The key gets its name last: with the name, both are whole.
        unfinished.rename(key)
        sync_folder(str(data_dir))
    except (OSError, subprocess.SubprocessError) as error:
        raise DbHandlerError(f"the server's TLS key cannot be made in {data_dir}: {type(error).__name__}") from error


def options(data_dir: Path) -> list[str]:
    """The server's options for its key."""
    return [f"--ssl-key={data_dir / KEY}", f"--ssl-cert={data_dir / CERTIFICATE}"]
