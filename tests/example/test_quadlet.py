"""container/quadlet: what Podman's own generator makes of the units."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.docker import docker, run
from tests.support.example_cluster import CONTAINER

DOCKERFILE = Path(__file__).with_name("podman.Dockerfile")
IMAGE = "dbhandler-quadlet-test"
UNITS = "/etc/containers/systemd"


@pytest.fixture(scope="module")
def generator() -> str:
    """The image with the generator; its layers stay with the engine."""
    base = run(str(CONTAINER / "base-image"), "trixie").stdout.split()[-1]
    subprocess.run(
        ("docker", "build", "-q", "--build-arg", f"BASE={base}", "--build-arg", "STALE_MIRROR", "-t", IMAGE, "-"),
        input=DOCKERFILE.read_bytes(), check=True, stdout=subprocess.DEVNULL, timeout=900,
    )  # fmt: skip
    return IMAGE


def generated(image: str, folder: Path) -> tuple[int, str]:
    """Exit status and output of the generator for a folder of units."""
    done = docker("run", "--rm", "-v", f"{folder}:{UNITS}:ro", image, check=False)
    return done.returncode, done.stdout


def test_the_units_become_services(generator: str) -> None:
    status, text = generated(generator, CONTAINER / "quadlet")
    assert status == 0, text
    services = text.split("---\n")
    started = {
        name: line for name in ("db", "serf_agent") for line in text.splitlines() if f"run --name {name} " in line
    }
    assert len(services) == 6
    for secret in ("serf_rpc_auth", "serf_encrypt_key", "pool_secret"):
        assert f"--secret {secret} " in started["db"]
    assert "-v db-data:/var/lib/mysql -v db-state:/var/lib/dbhandler " in started["db"]
    assert "--sdnotify=healthy" in started["db"] and "--health-cmd dbhandler-health" in started["db"]
    assert "--network dbhandler " in started["db"] and "--network dbhandler " in started["serf_agent"]
    assert "Requires=db-data-volume.service" in text


def test_a_mistake_in_a_unit_is_one(generator: str, tmp_path: Path) -> None:
    shutil.copytree(CONTAINER / "quadlet", tmp_path / "units")
    unit = tmp_path / "units/db.container"
    unit.write_text(unit.read_text().replace("Volume=", "Volumes="))
    status, text = generated(generator, tmp_path / "units")
    assert status != 0 and "unsupported key 'Volumes'" in text
