"""One snapshot of a repository, and how restic tells of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dbhandler.errors import DbHandlerError
from dbhandler.log import shown

_KEY = re.compile("[A-Za-z0-9_.-]+")
_VALUE = re.compile(r"(?!\s)[^,\x00-\x1f]+(?<!\s)")
_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Snapshot:
    """One snapshot: its id, its time (UTC, whole seconds), its tags KEY=VALUE, what paths it was made of, and how many
    bytes it holds, None where restic does not know."""

    id: str
    time: datetime
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)
    paths: tuple[str, ...] = ()
    size: int | None = None


def encode_tags(tags: Mapping[str, str]) -> list[str]:
    """The tags as restic takes them, KEY=VALUE. Raises DbHandlerError for what would not come back as it was."""
    for key, value in tags.items():
        if not (_KEY.fullmatch(key) and _VALUE.fullmatch(value)):
            raise DbHandlerError(f"a snapshot cannot have the tag {shown(f'{key}={value}')}")
    return [f"{key}={value}" for key, value in tags.items()]


def parse(output: bytes) -> Any:
    """A JSON answer of restic, None for an empty one. Raises DbHandlerError."""
    try:
        return json.loads(output or b"null")
    except ValueError as error:
        raise DbHandlerError("restic has answered something that is no JSON") from error


def summary(output: bytes) -> dict[str, Any]:
    """What restic says of the snapshot that it has made. Raises DbHandlerError."""
    for line in reversed(output.splitlines()):
        said = parse(line)
        if isinstance(said, dict) and _ID.fullmatch(str(said.get("snapshot_id"))):
            return said
    raise DbHandlerError("restic has not told which snapshot it has made")


def as_snapshot(entry: Mapping[str, Any]) -> Snapshot:
    """A snapshot from what restic lists."""
    tags = dict(tag.partition("=")[::2] for tag in entry.get("tags") or ())
    moment = datetime.fromisoformat(entry["time"]).astimezone(UTC).replace(microsecond=0)
    size = (entry.get("summary") or {}).get("total_bytes_processed")
    return Snapshot(entry["id"], moment, tags, tuple(entry["paths"]), size)
