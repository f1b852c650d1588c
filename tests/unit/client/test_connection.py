import json
import subprocess
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbhandler.client.connection import Connection, as_dsn, as_env, as_jdbc, as_json, as_my_cnf
from dbhandler.errors import DbHandlerError

text = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f"), min_size=1, max_size=40
)
connections = st.builds(Connection, text, st.sampled_from(["db", "10.0.0.1", "fd00::1"]), st.just(3306), text, text)


@given(connections)
def test_a_dsn_can_be_taken_apart_again(connection: Connection) -> None:
    parts = urlsplit(as_dsn(connection, {}).rstrip("\n"))
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (connection.user, connection.password)
    assert (parts.hostname, parts.port) == (connection.host, connection.port)
    assert unquote(parts.path) == "/" + connection.database


def test_a_shell_reads_the_variables_as_they_are() -> None:
    hostile = Connection("shop", "db", 3306, "clerk", 'it\'s $(touch x) `y` "z" \\ # end')
    script = as_env(hostile, hostile.variables("WORDPRESS_DB_")) + 'printf %s "$WORDPRESS_DB_PASSWORD"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout == hostile.password


def test_json_has_all_fields_and_the_dsn() -> None:
    connection = Connection("shop", "db", 3306, "clerk", "pass word 123")
    values = json.loads(as_json(connection, {}))
    assert values == {
        "database": "shop", "host": "db", "port": 3306, "user": "clerk", "password": "pass word 123",
        "engine": "mariadb", "dsn": "mysql://clerk:pass%20word%20123@db:3306/shop", "hosts": ["db:3306"],
        "ssl_ca": None,
    }  # fmt: skip


def test_an_option_file_quotes_and_escapes() -> None:
    lines = as_my_cnf(Connection("shop", "db", 3306, "clerk", 'a"b\\c#d'), {}).splitlines()
    assert lines == [
        "[client]", 'host = "db"', 'port = "3306"', 'user = "clerk"', 'password = "a\\"b\\\\c#d"',
        "[mysql]", 'database = "shop"',
    ]  # fmt: skip


def test_the_repr_keeps_the_password() -> None:
    assert "hidden" not in repr(Connection("shop", "db", 3306, "clerk", "hidden"))


HOSTILE = [
    "db\nssl=0",
    "",
    "-hother",
    "db/x?allowLoadLocalInfile=true&",
    "a b",
    "db#",
    "db@evil",
    "a" * 256,
    "d\u00fc",
    "db\x00",
]


@pytest.mark.parametrize("host", HOSTILE)
def test_what_a_server_says_adds_nothing_to_a_file_or_a_url(host: str) -> None:
    with pytest.raises(DbHandlerError, match="names a host that is none"):
        Connection("shop", host, 3306, "clerk", "x")
    with pytest.raises(DbHandlerError, match="names an address that is none"):
        Connection("shop", "db", 3306, "clerk", "x", (f"{host}:3306",))


@pytest.mark.parametrize("port", ["3306&x=1", "3306\n", "", "x", "333333"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(DbHandlerError, match="names an address that is none"):
        Connection("shop", "db", 3306, "clerk", "x", (f"db2:{port}",))
    for number in (0, -1, 65536):
        with pytest.raises(DbHandlerError, match="names a port that is none"):
            Connection("shop", "db", number, "clerk", "x")


@pytest.mark.parametrize("host", ["db", "my_db-1.example.org", "10.0.0.1", "fd00::7", "::1", "fe80::1%eth0"])
def test_hosts_as_there_are(host: str) -> None:
    assert Connection("shop", host, 3306, "clerk", "x", ("[fd00::8]:1", "db2:3306")).host == host


def test_an_option_is_one_line() -> None:
    for user, password in (("a\nhost=evil", "x"), ("a", "x\ry"), ("a", "\x00")):
        with pytest.raises(DbHandlerError, match="control characters") as caught:
            as_my_cnf(Connection("shop", "db", 3306, user, password), {})
        assert "evil" not in str(caught.value)


def test_jdbc_is_the_engine_s_own() -> None:
    def jdbc(engine: str, *others: str) -> str:
        return as_jdbc(Connection("shop", "db", 3306, "clerk", "p&w", others, engine), {})

    assert jdbc("mariadb") == "jdbc:mariadb:sequential://db:3306/shop?user=clerk&password=p%26w\n"
    assert jdbc("mysql", "db2:3307") == "jdbc:mysql://db:3306,db2:3307/shop?user=clerk&password=p%26w\n"


# --- by what the server is verified ---

PLACE = "/state/a b.ca.pem"
WHERE = "%2Fstate%2Fa%20b.ca.pem"


def verified(engine: str = "mariadb", *others: str) -> Connection:
    return Connection("shop", "db", 3306, "clerk", "p&w", others, engine, ca="PEM", ca_file=PLACE)


def test_the_file_to_verify_by_is_in_every_form() -> None:
    connection = verified()
    assert connection.variables("X_")["X_SSL_CA"] == PLACE
    assert f"X_SSL_CA='{PLACE}'\n" in as_env(connection, connection.variables("X_"))
    assert json.loads(as_json(connection, {}))["ssl_ca"] == PLACE
    plain = "mysql://clerk:p%26w@db:3306/shop"
    assert connection.tls_url == f"{plain}?ssl-mode=VERIFY_IDENTITY&ssl-ca={WHERE}"
    # Most libraries take other words, or refuse what they do not know.
    assert connection.dsn == connection.variables()["DB_URL"] == plain
    assert "PEM" not in repr(connection)


def test_jdbc_verifies_where_the_connector_takes_a_file() -> None:
    words = f"sslMode=verify-full&serverSslCert={WHERE}"
    assert verified().jdbc == f"jdbc:mariadb:sequential://db:3306/shop?user=clerk&password=p%26w&{words}"
    assert verified().jdbc_address == f"jdbc:mariadb:sequential://db:3306/shop?{words}"
    # MySQL's takes a key store of Java's.
    assert verified("mysql").jdbc == "jdbc:mysql://db:3306/shop?user=clerk&password=p%26w"
    assert verified("mysql").jdbc_address == "jdbc:mysql://db:3306/shop"


@pytest.mark.parametrize(("engine", "more"), [("mariadb", []), ("mysql", ['loose-ssl-mode = "VERIFY_IDENTITY"'])])
def test_an_option_file_makes_the_clients_of_either_engine_verify(engine: str, more: list[str]) -> None:
    assert as_my_cnf(verified(engine), {}).splitlines() == [
        "[client]", 'host = "db"', 'port = "3306"', 'user = "clerk"', 'password = "p&w"', f'ssl-ca = "{PLACE}"', *more,
        "[mysql]", 'database = "shop"', "[client-mariadb]", 'ssl-verify-server-cert = "1"',
    ]  # fmt: skip


def test_without_one_nothing_speaks_of_it() -> None:
    # The certificate alone is in no file that a client could read.
    connection = Connection("shop", "db", 3306, "clerk", "x", ca="PEM")
    told = as_env(connection, connection.variables()) + as_my_cnf(connection, {}) + connection.jdbc + connection.tls_url
    assert "ssl" not in told.lower() and connection.tls_url == connection.dsn
    assert json.loads(as_json(connection, {}))["ssl_ca"] is None


def test_a_place_adds_no_line_and_no_word() -> None:
    connection = Connection("shop", "db", 3306, "clerk", "x", ca_file='/a&b?c#d\npassword="e')
    assert connection.tls_url.count("&") == 1 and "#" not in connection.tls_url
    with pytest.raises(DbHandlerError, match="control characters"):
        as_my_cnf(connection, {})
