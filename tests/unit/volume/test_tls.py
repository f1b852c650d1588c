import ssl
import subprocess
from pathlib import Path

import pytest

from dbhandler.errors import DbHandlerError
from dbhandler.volume import tls

ENGINES = ("mariadb", "mysql")


def check(engine: str, folder: Path) -> None:
    """Does every key fit its public half?"""
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(folder / tls.CERTIFICATE, folder / tls.KEY)
    if engine == "mysql":
        command = ["openssl", "pkey", "-in", str(folder / tls.RSA_KEY), "-pubout"]
        assert subprocess.check_output(command) == (folder / tls.RSA_PUBLIC).read_bytes()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("engine", ENGINES)
def test_keys_are_made_once_and_are_private(tmp_path: Path, engine: str) -> None:
    tls.ensure_keys(engine, tmp_path)
    check(engine, tmp_path)
    private = {tls.KEY} if engine == "mariadb" else {tls.KEY, tls.RSA_KEY}
    assert {path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o777 == 0o600} == private
    before = content(tmp_path)
    tls.ensure_keys(engine, tmp_path)
    assert content(tmp_path) == before


@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_kill_left_half_way_is_made_anew(tmp_path: Path, engine: str) -> None:
    for name in (tls.CERTIFICATE, f".{tls.KEY}", tls.RSA_PUBLIC, f".{tls.RSA_KEY}"):
        (tmp_path / name).write_text("half a")
    tls.ensure_keys(engine, tmp_path)
    check(engine, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DbHandlerError, match="keys cannot be made"):
        tls.ensure_keys("mariadb", tmp_path / "absent")
