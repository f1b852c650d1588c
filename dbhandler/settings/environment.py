"""A container's whole environment: names that are none of ours are refused, files become values, secrets leave it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from dbhandler import files
from dbhandler.errors import ConfigError
from dbhandler.settings.names import GIVEN, INTERNAL, KNOWN, SECRETS, SPENT_SECRETS
from dbhandler.settings.setting import Reader

_OURS = ("DBHANDLER_", "SERF_")
_ALIKE = 0.9
"""How much of a name that does not begin like ours has to be one of ours for a typing mistake."""

# Docker's links and Kubernetes' services set these in every container, for any alias: SERF_AGENT_PORT_7946_TCP_ADDR.
_LINK = re.compile(r"\w+_(PORT_\d+_(TCP|UDP|SCTP)(_\w+)?|SERVICE_(HOST|PORT(_\w+)?)|ENV_.*)", re.DOTALL)
_LINK_VALUE = {"NAME": re.compile("/.+/.+"), "PORT": re.compile(r"[a-z]+://.+")}

# What Serf itself sets for its handlers.
_HANDLER = re.compile(r"SERF_(EVENT|(SELF|TAG|USER|QUERY)_.*)", re.DOTALL)

# Of the server's own programs: no mistakes, however much they look like ours.
_CLIENTS = re.compile(r"(MARIADB|MYSQL)_(HOST|PWD|TCP_PORT|UNIX_PORT|HOME|VERSION|MAJOR|GROUP_SUFFIX|PS1|HISTFILE)")

_NOT_TAKEN = re.compile("(MARIADB|MYSQL)_((MASTER|REPLICATION)_.+|INITDB_ARGS)(_FILE)?")
"""Variables of other images: whoever sets one believes that it does something."""

# `docker run --link` repeats another container's variables as ALIAS_ENV_NAME.
_SECRET = re.compile(f"(.*_ENV_)?({'|'.join((*SECRETS, *SPENT_SECRETS))})", re.DOTALL)


def prepared(environ: Mapping[str, str], database: bool = False) -> dict[str, str]:
    """The environment with every setting as a value but the secrets, so that no process started with it needs the
    files. database: the official images' variables are looked at, too.

    Raises ConfigError for a name that nobody reads, and for a file that cannot be read.
    """
    if wrong := [sentence for name in sorted(environ) if (sentence := _complaint(name, environ, database))]:
        raise ConfigError("; ".join(wrong))
    read, resolved = Reader(environ), dict(environ)
    for name in GIVEN - {*SECRETS, *SPENT_SECRETS}:
        if environ.get(f"{name}_FILE"):
            resolved[name] = read.text(name) or ""
            del resolved[f"{name}_FILE"]
    return resolved


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment as any process of the same user may read it for ever."""
    return {name: value for name, value in environ.items() if not is_secret(name)}


def is_secret(name: str) -> bool:
    """Does a variable of this name hold a secret, of ours or of a container that is linked?"""
    return bool(_SECRET.fullmatch(name))


def secrets_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets that stand in the environment itself, without another container's. Raises ConfigError."""
    read = Reader(environ)
    return {name: value for name in (*SECRETS, *SPENT_SECRETS) if environ.get(name) and (value := read.text(name))}


def hand_over_secrets(secrets: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Writes secrets into private files; returns the variables NAME_FILE that name them. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, value in secrets.items():
        files.write_private(folder / name, value)
    return {f"{name}_FILE": str(folder / name) for name in secrets}


def _complaint(name: str, environ: Mapping[str, str], database: bool) -> str | None:
    """What is wrong with a variable's name, None where nothing is."""
    if _is_known(name) or _is_anothers(name, environ):
        return None
    upper = name.upper()
    near = next(_nearest(upper, 0.6 if upper.startswith(_OURS) else _ALIKE), None)
    if near is None and _NOT_TAKEN.fullmatch(name):
        counts = database and environ[name]
        return f"{name} is not taken here (docs/reference/official-variables.md lists what is)" if counts else None
    if near is None and not upper.startswith(_OURS):
        return None
    return f"{name} is no setting" + (f": is {near} meant?" if near else " (docs/reference/settings.md lists them all)")


def _is_known(name: str) -> bool:
    return name in KNOWN or name.removesuffix("_FILE") in GIVEN


def _is_anothers(name: str, environ: Mapping[str, str]) -> bool:
    value = _LINK_VALUE.get(name.rpartition("_")[2])
    linked = _LINK.fullmatch(name) or (value and value.fullmatch(environ[name]))
    return bool(linked or _CLIENTS.fullmatch(name) or ("SERF_EVENT" in environ and _HANDLER.fullmatch(name)))


def _nearest(name: str, alike: float) -> Iterator[str]:
    # Only here: where there is no mistake nobody needs it.
    from difflib import get_close_matches

    suffix = "_FILE" if name.endswith("_FILE") and name.removesuffix("_FILE") not in INTERNAL else ""
    for found in get_close_matches(name.removesuffix(suffix), GIVEN, 1, alike):
        yield found + suffix
