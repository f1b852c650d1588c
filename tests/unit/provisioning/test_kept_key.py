"""A server's key in its own data: written once, again for another secret or another key, and not else."""

from __future__ import annotations

from dbhandler.engine.sql import Statement
from dbhandler.provisioning import backup_sql
from dbhandler.provisioning.kept_key import KeptKey
from dbhandler.trust.safe import Safe
from tests.support.fakes import RecordingServer

SECRET, NEW = bytes(32), bytes([1]) * 32
NAMES = ("key", "public")


def keeping(*secrets: bytes) -> Safe:
    return Safe(secrets)


def ensured(
    held: dict[str, str], safe: Safe, public: str = "mine", node: str = "", there: bool = True
) -> list[Statement]:
    """The statements that write."""
    names = tuple(f"{name}.{node}" if node else name for name in NAMES)
    server = RecordingServer({
        backup_sql.kept_exists(): [(1,)] if there else [],
        backup_sql.kept(names): list(held.items()),
    })  # fmt: skip

    def keep(closed: str | None) -> str | None:
        return closed if closed and safe.is_current(closed) else safe.close(b"my key")

    KeptKey(server, public, keep, node).ensure()  # type: ignore[arg-type]
    return [one for one in server.executed if not one.text.startswith("SELECT")]


def written(statement: Statement) -> dict[str, str]:
    words = list(map(str, statement.values))
    return dict(zip(words[::2], words[1::2], strict=True))


def test_the_key_is_closed_beside_its_public_half() -> None:
    [table, rows] = ensured({}, keeping(SECRET), there=False)
    assert table == backup_sql.make_kept()
    assert written(rows)["public"] == "mine"
    assert Safe([SECRET]).open(written(rows)["key"]) == b"my key"


def test_what_is_there_stays() -> None:
    held = {"key": keeping(SECRET).close(b"my key"), "public": "mine"}
    assert ensured(held, keeping(SECRET)) == []


def test_it_is_closed_anew_with_another_secret() -> None:
    held = {"key": keeping(SECRET).close(b"my key"), "public": "mine"}
    [rows] = ensured(held, keeping(NEW, SECRET))
    assert Safe([NEW]).open(written(rows)["key"]) == b"my key"


def test_another_servers_key_gives_way() -> None:
    held = {"key": keeping(SECRET).close(b"another key"), "public": "another"}
    [rows] = ensured(held, keeping(SECRET))
    assert Safe([SECRET]).open(written(rows)["key"]) == b"my key"


def test_each_node_of_a_cluster_has_rows_of_its_own() -> None:
    [rows] = ensured({}, keeping(SECRET), node="00c0ffee")
    assert set(written(rows)) == {"key.00c0ffee", "public.00c0ffee"}


def test_where_nothing_is_to_be_kept_nothing_is() -> None:
    server = RecordingServer({backup_sql.kept_exists(): [(1,)]})
    KeptKey(server, "mine", lambda closed: closed).ensure()  # type: ignore[arg-type]
    assert [one.text.split()[0] for one in server.executed] == ["SELECT", "SELECT"]
