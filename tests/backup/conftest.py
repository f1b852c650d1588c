"""Real servers that are backed up; the other fixtures are those of the image tests."""

from __future__ import annotations

import os
import random

import pytest

from tests.image.conftest import engine, site
from tests.support.containers import ENGINES
from tests.support.docker import docker, need_images

__all__ = ["engine", "site"]

IS_FULL = os.environ.get("DBHANDLER_BACKUP", "short") == "full"


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    backups = [f"dbhandler-backup:{engine}" for engine in ENGINES]
    need_images(
        *(f"dbhandler:{engine}" for engine in ENGINES), *backups, "dbhandler-serf", make="make image image-backup"
    )


@pytest.fixture(scope="session", autouse=True)
def _restic_of_the_image(_engine_answers: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The restic that tests run here is the image's, one program without libraries."""
    folder = tmp_path_factory.mktemp("restic")
    container = docker("create", "dbhandler-backup:mariadb").stdout.strip()
    docker("cp", f"{container}:/usr/bin/restic", str(folder))
    docker("rm", "-v", container)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance, the same in every run of a test."""
    return random.Random(request.node.name)
