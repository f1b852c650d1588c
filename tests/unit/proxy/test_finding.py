"""Where a database is: whom the proxy asks, and what it believes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dbhandler.errors import TryLater
from dbhandler.proxy.finding import Finder, Found
from dbhandler.requests.box import Keys
from dbhandler.serf.proof import Believer
from tests.support.pools import OURS, THEIRS, PlayedCluster, PlayedServer, changed

NAMES = "abcd"
Says = Mapping[str, object]
HERE: Says = {"status": "exists"}
MOVING: Says = {"status": "exists", "moving": True}
NOT_HERE: Says = {"status": "absent"}
SILENT: Says = {"status": "unavailable", "reason": "the directory is away"}


def placed(server: str) -> Says:
    return {"status": "placed", "server": server}


class Looked:
    """A pool that is played (with a directory or without), and who looks there for the database shop."""

    def __init__(self, folder: Path, directory: bool = True, names: str = NAMES) -> None:
        tags = {"dir": "1"} if directory else {}
        self.servers = {name: PlayedServer(name, Keys(folder / name), tags=tags) for name in names}
        self.cluster = PlayedCluster(*self.servers.values())
        self.finder, self._believer = Finder("shop", [OURS.id]), Believer([OURS.id])

    def says(self, **answers: Says) -> None:
        """What the servers answer from now on; those that are not named have nothing."""
        for name, server in self.servers.items():
            server.says = {"where_db": answers.get(name, NOT_HERE)}

    def find(self) -> Found | None:
        self.cluster.heard.clear()
        members = self._believer.believed(self.cluster.members())
        return self.finder.find(self.cluster, members)  # type: ignore[arg-type]

    def found(self) -> tuple[str, bool, bool] | None:
        found = self.find()
        return (found.server.name, found.is_sure, found.moving) if found else None

    @property
    def asked(self) -> str:
        return "".join(node for node, query in self.cluster.asked() if query == "where_db")


@pytest.fixture
def pool(tmp_path: Path) -> Looked:
    return Looked(tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Looked:
    return Looked(tmp_path, directory=False)


def all_say(answer: Says) -> dict[str, Says]:
    return dict.fromkeys(NAMES, answer)


def test_one_server_is_asked_whom_it_names_next_and_then_only_that_one(pool: Looked) -> None:
    pool.says(**all_say(placed("b")) | {"b": HERE})
    assert pool.found() == ("b", True, False)
    assert len(pool.asked) <= 2 and pool.asked[-1] == "b"
    assert pool.found() == ("b", True, False) and pool.asked == "b"


def test_it_says_that_it_is_moving_and_where_it_has_gone(pool: Looked) -> None:
    pool.says(**all_say(placed("b")) | {"b": HERE})
    pool.find()
    pool.says(b=MOVING)
    assert pool.found() == ("b", True, True)
    pool.says(**all_say(placed("c")) | {"c": MOVING})
    assert pool.found() == ("c", True, True) and pool.asked == "bc"
    pool.says(**all_say(placed("c")) | {"c": HERE})
    assert pool.found() == ("c", True, False) and pool.asked == "c"


@pytest.mark.parametrize("how", ["silent", "failed", "absent", "confused"])
def test_what_another_server_says_of_one_is_not_sure(pool: Looked, how: str) -> None:
    pool.says()
    pool.find()
    other = next(name for name in NAMES if name != pool.asked)
    pool.says(**all_say(placed(other)) | {other: {"silent": SILENT, "confused": placed(other)}.get(how, NOT_HERE)})
    if how == "failed":
        pool.servers[other].status = "failed"
    assert pool.found() == (other, False, False)


def test_a_name_that_nobody_has(pool: Looked) -> None:
    pool.says()
    assert pool.found() is None and len(pool.asked) == 1


def test_who_does_not_answer_is_not_asked_again_before_the_others(pool: Looked) -> None:
    pool.says(**all_say(SILENT))
    asked = ""
    for _ in NAMES:
        with pytest.raises(TryLater, match=r"^'[abcd]' did not say where it is$"):
            pool.find()
        asked += pool.asked
    assert sorted(asked) == list(NAMES)
    with pytest.raises(TryLater):
        pool.find()
    assert pool.asked == asked[0]


def test_where_who_has_had_it_is_silent_the_others_are_asked(pool: Looked) -> None:
    pool.says(**all_say(placed("b")) | {"b": HERE})
    pool.find()
    pool.says(**all_say(placed("b")) | {"b": SILENT})
    with pytest.raises(TryLater, match=r"^'b' did not say"):
        pool.find()
    assert pool.found() == ("b", False, False) and pool.asked[-1] == "b" and len(pool.asked) == 2


def test_a_server_that_is_not_there_is_said_to_have_it(pool: Looked) -> None:
    pool.says(**all_say(placed("z")))
    with pytest.raises(TryLater, match=r"^the server 'z', which has it, is not in the Serf cluster, or not believed$"):
        pool.find()


def test_where_no_server_is_ready(tmp_path: Path) -> None:
    pool = Looked(tmp_path, names="a")
    pool.servers["a"].status = "failed"
    with pytest.raises(TryLater, match=r"^no server of the pool is ready$"):
        pool.find()


def test_without_a_directory_all_are_asked_and_applications_and_proxy_choose_the_same(plain: Looked) -> None:
    plain.says(c=HERE)
    assert plain.found() == ("c", True, False) and sorted(plain.asked) == list(NAMES)
    assert plain.found() == ("c", True, False) and plain.asked == "c"
    plain.says()
    assert plain.found() is None
    assert plain.found() is None and sorted(plain.asked) == list(NAMES)
    plain.says(**all_say(HERE))
    assert plain.found() == plain.found()


def test_without_a_directory_one_that_is_silent_may_have_it(plain: Looked) -> None:
    plain.says(d=SILENT)
    with pytest.raises(TryLater, match=r"^'d' did not say"):
        plain.find()


def test_the_nodes_of_a_cluster_are_one_server(tmp_path: Path) -> None:
    pool = Looked(tmp_path)
    for name in "bc":
        pool.servers[name].tags = {"dir": "1", "cluster": "trio"}
    pool.says(**all_say(placed("b")) | {"b": HERE, "c": HERE})
    assert pool.found() is not None and pool.asked[-1] in "bc"
    pool.servers[pool.asked[-1]].status = "failed"
    found = pool.find()
    assert found is not None and found.server.group == "trio" and len(pool.asked) == 1


def test_nobody_without_the_secret_redirects_a_connection(pool: Looked) -> None:
    """An impostor answers faster, with a record of its own, a changed one, or one that was an answer before."""
    pool.says(**all_say(placed("b")) | {"b": HERE})
    pool.find()
    rogue = PlayedServer("x", pool.servers["a"].keys, THEIRS)
    old: list[bytes] = [line for _, _, _, line in pool.cluster.heard]
    pool.cluster.servers.append(rogue)

    def forge(node: str, query: str, payload: bytes, line: bytes) -> list[bytes]:
        lies = [rogue.answer(query, payload), changed(line, server="x", status="placed"), b"{}", b"\xff", *old]
        return [*lies, line]

    pool.cluster.forge = forge
    for _ in range(3):
        assert pool.found() == ("b", True, False)
    # What a server of the pool names counts for nothing where that one proves nothing.
    pool.cluster.forge = lambda _node, _query, _payload, line: [line]
    pool.says(**all_say(placed("x")))
    with pytest.raises(TryLater, match="'x', which has it, is not in the Serf cluster, or not believed"):
        pool.find()
