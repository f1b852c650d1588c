"""Which variables restic is given, and what of them and of a repository's location nobody else may see."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PASSES = re.compile(
    r"(RESTIC|AWS|B2|AZURE|GOOGLE|OS|ST|RCLONE)_.+|(?i:https?_proxy|no_proxy)|SSL_CERT_(FILE|DIR)"
    r"|HOME|PATH|SSH_AUTH_SOCK|TMPDIR"
)
_OWN = re.compile(r"RESTIC_(PASSWORD|FROM)(_.*)?|RESTIC_REPOSITORY_FILE|RESTIC_KEY_HINT")
"""What would make restic open another repository than ours, or with another password."""
_SECRET = re.compile(r".*(PASS(WORD|WD)?|PWD|SECRET|TOKEN|KEY|SAS)([_0-9].*)?|.*_PROXY")
_URL_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):([^/\s]*)@")


def passes(name: str) -> bool:
    """Is a variable of this name handed on to restic? Its passwords are not: they come from the pool's secret."""
    return bool(_PASSES.fullmatch(name)) and not _OWN.fullmatch(name)


def place(location: str) -> str:
    """A repository's location as it may be shown: without the password of its URL."""
    return _URL_PASSWORD.sub(r"\1:***@", location)


def passwords_in(location: str) -> set[str]:
    """What `place` leaves out."""
    return {password for _, password in _URL_PASSWORD.findall(location) if password}


def secrets_of(environ: Mapping[str, str]) -> set[str]:
    """The values of those variables that are called like secrets."""
    return {value for name, value in environ.items() if _SECRET.fullmatch(name.upper()) and len(value) > 3}
