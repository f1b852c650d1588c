"""Faults on real containers: what one module of tests makes is removed at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.docker import need_images
from tests.support.faults import IMAGE, SERF_IMAGE, Site, sites


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    need_images(IMAGE, SERF_IMAGE, make="make image")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """What the tests of one module share."""
    yield from sites()


@pytest.fixture
def own_site() -> Iterator[Site]:
    """For one test alone."""
    yield from sites()
