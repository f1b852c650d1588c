import json
import subprocess
from urllib.parse import unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from dbhandler.connection import Connection, as_dsn, as_env, as_json, as_my_cnf

text = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f"), min_size=1, max_size=40
)
connections = st.builds(Connection, text, st.sampled_from(["db", "10.0.0.1", "fd00::1"]), st.just(3306), text, text)


@given(connections)
def test_a_dsn_can_be_taken_apart_again(connection: Connection) -> None:
    parts = urlsplit(as_dsn(connection, "").rstrip("\n"))
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (connection.user, connection.password)
    assert (parts.hostname, parts.port) == (connection.host, connection.port)
    assert unquote(parts.path) == "/" + connection.database


def test_a_shell_reads_the_variables_as_they_are() -> None:
    hostile = Connection("shop", "db", 3306, "clerk", 'it\'s $(touch x) `y` "z" \\ # end')
    script = as_env(hostile, "WORDPRESS_DB_") + 'printf %s "$WORDPRESS_DB_PASSWORD"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True).stdout == hostile.password


def test_json_has_all_fields_and_the_dsn() -> None:
    connection = Connection("shop", "db", 3306, "clerk", "pass word 123")
    values = json.loads(as_json(connection, ""))
    assert values == {
        "database": "shop", "host": "db", "port": 3306, "user": "clerk", "password": "pass word 123",
        "dsn": "mysql://clerk:pass%20word%20123@db:3306/shop", "hosts": ["db:3306"],
    }  # fmt: skip


def test_an_option_file_quotes_and_escapes() -> None:
    lines = as_my_cnf(Connection("shop", "db", 3306, "clerk", 'a"b\\c#d'), "").splitlines()
    assert lines == [
        "[client]", 'host = "db"', 'port = "3306"', 'user = "clerk"', 'password = "a\\"b\\\\c#d"',
        "[mysql]", 'database = "shop"',
    ]  # fmt: skip


def test_the_repr_keeps_the_password() -> None:
    assert "hidden" not in repr(Connection("shop", "db", 3306, "clerk", "hidden"))
