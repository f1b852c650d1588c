"""Faults on real containers: what one module of tests makes is removed at its end."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from containers import IMAGE, SERF_IMAGE, Site, docker, sites


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    if subprocess.run(("docker", "info"), capture_output=True, timeout=60).returncode:
        pytest.skip("fault tests are left out: no Docker engine answers here (docker info)")
    for image in (IMAGE, SERF_IMAGE):
        assert docker("image", "ls", "-q", image).strip(), f"there is no image {image}: run `make image`"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """What the tests of one module share."""
    yield from sites()


@pytest.fixture
def own_site() -> Iterator[Site]:
    """For one test alone."""
    yield from sites()
