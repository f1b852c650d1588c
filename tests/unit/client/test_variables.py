"""Variables of the certificate by which an application verifies the server: there with one, absent without."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbhandler.client.connection import Connection
from dbhandler.client.variables import Variables, assignment

PLAIN = Connection("shop", "db", 3306, "clerk", "word")
VERIFIED = replace(PLAIN, ca="PEM", ca_file="/state/shop.ca.pem")
SINGLE = dict(assignment(text) for text in ("CA=ssl-ca", "URL=url-tls", "HOSTS=hosts"))


def test_single_ones() -> None:
    assert (
        Variables("", None, SINGLE).of(VERIFIED).items()
        >= {
            "CA": "/state/shop.ca.pem",
            "SSL_CA": "/state/shop.ca.pem",
            "HOSTS": "db:3306",
            "URL": "mysql://clerk:word@db:3306/shop?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fstate%2Fshop.ca.pem",
        }.items()
    )


def test_an_empty_one_is_none() -> None:
    values = Variables("X_", None, SINGLE).of(PLAIN)
    assert "CA" not in values and "X_SSL_CA" not in values
    assert values["URL"] == PLAIN.dsn


@pytest.mark.parametrize(("connection", "expected"), [(VERIFIED, "/state/shop.ca.pem"), (PLAIN, None)])
def test_laravel_verifies_by_itself(connection: Connection, expected: str | None) -> None:
    assert Variables(None, "laravel").of(connection).get("MYSQL_ATTR_SSL_CA") == expected


@pytest.mark.parametrize("preset", ["django", "rails", "wordpress"])
def test_frameworks_whose_words_are_others_get_what_they_know(preset: str) -> None:
    assert Variables(None, preset).of(VERIFIED) == Variables(None, preset).of(PLAIN)


def test_spring_verifies_by_its_url() -> None:
    url = Variables(None, "spring").of(VERIFIED)["SPRING_DATASOURCE_URL"]
    assert url.endswith("/shop?sslMode=verify-full&serverSslCert=%2Fstate%2Fshop.ca.pem")
