import ssl
from pathlib import Path

import pytest

from dbhandler import tls
from dbhandler.errors import DbHandlerError


def test_a_key_is_made_once_and_fits_its_certificate(tmp_path: Path) -> None:
    tls.ensure_key(tmp_path)
    key, certificate = tmp_path / tls.KEY, tmp_path / tls.CERTIFICATE
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes(), certificate.read_bytes()
    tls.ensure_key(tmp_path)
    assert (key.read_bytes(), certificate.read_bytes()) == before


def test_what_a_kill_left_half_way_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / tls.CERTIFICATE).write_text("half a certi")
    (tmp_path / f".{tls.KEY}").write_text("half a key")
    tls.ensure_key(tmp_path)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / tls.CERTIFICATE, tmp_path / tls.KEY)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DbHandlerError, match="TLS key cannot be made"):
        tls.ensure_key(tmp_path / "absent")
