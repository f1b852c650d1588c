"""A name is settled before anything is made, and nobody's again where it is refused then."""

from __future__ import annotations

import pytest

from dbhandler.errors import Busy, Denied, Elsewhere, InvalidRequest, NotForUs, ServerError, Unavailable
from dbhandler.provisioning.settling import Anywhere, settled
from dbhandler.requests.where import Where

SSD = Where(frozenset({"ssd"}))


class Recording:
    """Places that note what they are asked; `error` is what settling raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.asked = error, list[tuple[object, ...]]()

    def settle(self, name: str, where: Where) -> str:
        self.asked.append(("settle", name, where))
        if self.error:
            raise self.error
        return "it is less loaded"

    def give_up(self, name: str) -> None:
        self.asked.append(("give up", name))

    def holder(self, name: str) -> str | None:
        raise AssertionError("nobody asks whose it is")


def test_a_new_name_is_settled_and_kept() -> None:
    places = Recording()
    with settled(places, "shop", SSD, exists=False) as why:
        assert why == "it is less loaded"
        assert places.asked == [("settle", "shop", SSD)]
    assert len(places.asked) == 1


def test_of_a_database_that_exists_nobody_is_asked_whatever_happens() -> None:
    places = Recording(Unavailable("away"))
    with settled(places, "shop", SSD, exists=True) as why:
        assert why == ""
    with pytest.raises(Denied), settled(places, "shop", SSD, exists=True):
        raise Denied("not yours")
    assert places.asked == []


@pytest.mark.parametrize("error", [Denied("a quota"), InvalidRequest("a rule"), ServerError("no", 3), NotForUs("no")])
def test_what_is_refused_then_is_given_up(error: Exception) -> None:
    places = Recording()
    with pytest.raises(type(error), match=str(error)), settled(places, "shop", SSD, exists=False):
        raise error
    assert places.asked == [("settle", "shop", SSD), ("give up", "shop")]


@pytest.mark.parametrize("error", [Unavailable("away"), Busy("wait", 1.0), KeyError("a defect")])
def test_what_may_have_been_done_or_is_tried_again_is_kept(error: Exception) -> None:
    places = Recording()
    with pytest.raises(type(error)), settled(places, "shop", SSD, exists=False):
        raise error
    assert places.asked == [("settle", "shop", SSD)]


@pytest.mark.parametrize("error", [Elsewhere("db2 has it", "db2"), Denied("no room"), Unavailable("away")])
def test_what_was_not_settled_is_neither_begun_nor_given_up(error: Exception) -> None:
    places = Recording(error)
    with pytest.raises(type(error), match=str(error)), settled(places, "shop", SSD, exists=False):
        raise AssertionError("it has begun")
    assert places.asked == [("settle", "shop", SSD)]


def test_without_a_directory_every_name_is_here_and_nobody_knows_of_others() -> None:
    places = Anywhere()
    with settled(places, "shop", SSD, exists=False) as why:
        assert why == ""
    with pytest.raises(Denied), settled(places, "shop", SSD, exists=False):
        raise Denied("a quota")
    assert places.holder("shop") is None
