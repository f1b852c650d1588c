"""Pools of several servers: what one module of tests makes is removed at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.containers import ENGINES, Site
from tests.support.docker import need_images


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    need_images(*(f"dbhandler:{engine}" for engine in ENGINES), "dbhandler-serf", make="make image image-mysql")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """What the tests of one module share."""
    made = Site()
    yield made
    made.close()
