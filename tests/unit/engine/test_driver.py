"""The driver is loaded without what a server's socket does not need, and nothing else misses that."""

from __future__ import annotations

import subprocess
import sys

import pytest


def printed(program: str) -> str:
    """What a program prints in an interpreter of its own: what is loaded here already would be so there."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = "'cryptography.hazmat.primitives' in sys.modules"


def test_it_is_loaded_without_cryptography() -> None:
    assert printed(f"import sys; from dbhandler.engine.driver import pymysql; print(pymysql.__name__, {LOADED})") == (
        "pymysql False"
    )
    # Which it would load by itself, where that is there.
    assert printed(f"import sys, pymysql; print({LOADED})") == "True"


def test_who_needs_cryptography_gets_it_afterwards() -> None:
    program = "import dbhandler.engine.driver; import cryptography.x509; print(cryptography.x509.__name__)"
    assert printed(program) == "cryptography.x509"
    program = "import dbhandler.engine.driver, dbhandler.volume.certificate as found; print(found.__name__)"
    assert printed(program) == "dbhandler.volume.certificate"


def test_what_was_loaded_before_stays() -> None:
    program = "import sys, cryptography.x509; import dbhandler.engine.driver; print('cryptography.x509' in sys.modules)"
    assert printed(program) == "True"


@pytest.mark.parametrize("module", ["dbhandler.engine.server", "dbhandler.boot.health"])
def test_nobody_loads_the_driver_past_it(module: str) -> None:
    assert printed(f"import sys, {module}; print('pymysql' in sys.modules, {LOADED})") == "True False"
