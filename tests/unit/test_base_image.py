"""container/base-image, build and need before engines and package managers that write down what they are asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CONTAINER = Path(__file__).parents[2] / "container"
DIGEST = "sha256:" + "a" * 64
DOCKER = f"""\
#!/bin/sh
echo "docker $*" >> "$LOG"
case "$*" in
*RepoDigests*) [ "$HAS" = loaded ] || echo "debian@{DIGEST}" ;;
"image inspect debian"*) [ "$HAS" = pulled ] || [ "$HAS" = loaded ] || [ -e "$LOG.pulled" ] ;;
"image inspect dbhandler-base"*) [ "$HAS" = bootstrapped ] ;;
"pull "*) [ "$HAS" = registry ] && touch "$LOG.pulled" ;;
esac
"""
RECORDER = '#!/bin/sh\necho "${0##*/} $*" >> "$LOG"\n'


class Machine:
    """A machine with programs that write down what they are asked."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.has("docker", DOCKER)
        for name in ("mmdebstrap", "apt-get", "sudo"):
            self.has(name, RECORDER)

    def has(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    def run(self, program: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        path = f"{self._bin}:{os.environ['PATH']}"
        known = {"PATH": path, "LOG": str(self.log), "TMPDIR": str(self.log.parent), "HAS": ""}
        command = (str(CONTAINER / program), *arguments)
        return subprocess.run(command, env=known | environ, capture_output=True, text=True, timeout=60)

    def asked(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("has", ["pulled", "registry"])
def test_what_a_registry_gave_is_named_with_its_digest(machine: Machine, has: str) -> None:
    assert machine.run("base-image", "trixie", HAS=has).stdout == f"debian:trixie-slim@{DIGEST}\n"
    assert ("docker pull" in machine.asked()) == (has == "registry")


def test_what_was_loaded_from_a_file_has_no_digest(machine: Machine) -> None:
    assert machine.run("base-image", "trixie", HAS="loaded").stdout == "debian:trixie-slim\n"


def test_without_a_registry_it_is_bootstrapped_once(machine: Machine) -> None:
    done = machine.run("base-image", "sid")
    assert done.stdout == "dbhandler-base:sid\n" and "bootstrapping sid" in done.stderr
    assert "mmdebstrap" in machine.asked() and "docker import" in machine.asked()
    machine.log.unlink()
    assert machine.run("base-image", "sid", HAS="bootstrapped").stdout == "dbhandler-base:sid\n"
    assert "mmdebstrap" not in machine.asked()


def test_a_stale_mirror_is_taken_by_those_only_who_say_so(machine: Machine) -> None:
    machine.run("base-image", "sid")
    assert "Check-Valid-Until" not in machine.asked()
    machine.run("base-image", "sid", STALE_MIRROR="1")
    assert 'Check-Valid-Until "false"' in machine.asked()
    assert "Check-Valid-Until=false" in (CONTAINER / "Dockerfile").read_text()
    for file in (*CONTAINER.rglob("Dockerfile"), *CONTAINER.parent.glob("tests/*/*.Dockerfile")):
        for line in file.read_text().splitlines():
            assert "Check-Valid-Until" not in line or "${STALE_MIRROR:+-o Acquire::Check-Valid-Until=false}" in line


def test_a_bootstrap_that_fails_says_what_may_help_and_imports_nothing(machine: Machine) -> None:
    machine.has("mmdebstrap", "#!/bin/sh\nexit 25\n")
    done = machine.run("base-image", "sid")
    assert done.returncode != 0 and done.stdout == "" and "STALE_MIRROR=1" in done.stderr
    assert "import" not in machine.asked()


def test_an_image_is_told_its_base(machine: Machine) -> None:
    machine.run("build", "dbhandler:mariadb", "trixie", "--target", "database", ".", HAS="pulled")
    [build] = [line for line in machine.asked().splitlines() if line.startswith("docker build")]
    assert f"--build-arg BASE=debian:trixie-slim@{DIGEST} " in build
    assert f"--build-arg BASE_NAME=debian:trixie-slim --build-arg BASE_DIGEST={DIGEST} " in build


def test_one_line_says_what_is_installed_and_why_before_it_is(machine: Machine) -> None:
    machine.has("apt-get", '#!/bin/sh\necho "apt-get $*" >> "$LOG"; echo much\n')
    machine.has("sudo", '#!/bin/sh\n"$@"\n')
    done = machine.run("need", "a game", "no-such-a:one", "sh:dash", "no-such-b:two")
    assert done.returncode == 0 and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("need: ") and line.endswith(": one two (a game)")
    assert machine.asked().splitlines()[-1].endswith("--no-install-recommends one two")


def test_what_is_there_is_not_installed(machine: Machine) -> None:
    assert machine.run("need", "a game", "sh:dash").stderr == "" and machine.asked() == ""


def test_a_failed_installation_shows_all_that_was_said(machine: Machine) -> None:
    machine.has("apt-get", "#!/bin/sh\necho it is broken; exit 100\n")
    machine.has("sudo", '#!/bin/sh\n"$@"\n')
    done = machine.run("need", "a game", "no-such-a:one")
    assert done.returncode == 1 and "it is broken" in done.stderr
