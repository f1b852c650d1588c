"""The examples as a user runs them: real containers by Compose, a real browser."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from visitor import Visitor


@pytest.fixture(scope="session", autouse=True)
def _engine_answers() -> None:
    if subprocess.run(("docker", "info"), capture_output=True, timeout=60).returncode:
        pytest.skip("container tests are left out: no Docker engine answers here (docker info)")


@pytest.fixture(scope="module")
def visitor() -> Iterator[Visitor]:
    """A browser of the module's own."""
    assert shutil.which("chromium") and shutil.which("chromedriver"), "there is no Chromium: run `make test-example`"
    visitor = Visitor()
    yield visitor
    visitor.close()
