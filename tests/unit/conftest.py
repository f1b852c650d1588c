"""What all unit tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.fakes import Clock

# How long an example takes depends on the machine, and nothing here is about speed.
settings.register_profile("dbhandler", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dbhandler")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    """Entry points configure the package's logger for the whole process; the next test wants to capture it."""
    logger = logging.getLogger("dbhandler")
    before = logger.handlers[:], logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until told."""
    return Clock()
