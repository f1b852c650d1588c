"""The database server: connect, wait until ready, execute. The only place that knows the driver and its errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from dbhandler.engine import password_hash, sql
from dbhandler.engine.driver import ACCESS_DENIED, AWAY, CLIENT_ERRORS, ER_CON_COUNT, FULL_DISK, SESSION_ENDS, pymysql
from dbhandler.engine.sql import Statement
from dbhandler.errors import DbHandlerError, Full, ServerError, Unavailable
from dbhandler.settings.config import Config

SESSION = (
    "SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1, "
    "sql_mode = CONCAT('STRICT_ALL_TABLES' /*M! , ',NO_AUTO_CREATE_USER' */), "
    "SESSION /*M!100000 tx_read_only */ /*!80000 transaction_read_only */ = @@GLOBAL.read_only"
)
"""A lock delays a request instead of holding the agent; quoting rules are those that the driver assumes; a privilege
for an account that is gone meanwhile makes none without a password, which MariaDB alone would do. read_only does not
bind an account that has all privileges: on a replica ours would write what its source knows nothing of. Each engine
reads the comments that are for it, with its own name of the variable."""

CONNECT_TIMEOUT = 2.0
STATEMENT_TIMEOUT = 10.0
FULL_PATIENCE, FULL_WAIT = 0.3, 0.002
"""Seconds for which our own account asks again for a connection where all are taken, and between two tries."""
PATIENCE_PAUSE = 2
"""So many times as long nobody waits for that again: it is one of several things that a query would wait for."""


class Server:
    """One connection to the server at a Unix socket, opened when first needed and again after it was lost.

    user and password are the account's; without a password the socket itself proves who asks. refusal_passes says
    that being refused is then a fault of the server that passes, not an answer. patience is the number of seconds for
    which a connection is asked for again at once where all are taken. engine is what it stores passwords as, database
    the one that is chosen first. encrypted: by TLS, which an account may need even here.
    """

    def __init__(
        self,
        socket: str,
        user: str,
        password: str = "",
        timeout: float = STATEMENT_TIMEOUT,
        refusal_passes: bool = False,
        patience: float = 0.0,
        engine: str = "mariadb",
        database: str | None = None,
        encrypted: bool = False,
    ) -> None:
        self.engine, self._database, self._encrypted = engine, database, encrypted
        self._socket, self._user, self._password = socket, user, password
        self._timeout, self._patience, self._patient_again = timeout, patience, 0.0
        self._passing = AWAY | ACCESS_DENIED if refusal_passes else AWAY
        self._connection: pymysql.connections.Connection[pymysql.cursors.Cursor] | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, statement: Statement) -> list[tuple[object, ...]]:
        """Runs one statement and returns its rows.

        Raises Unavailable where trying again later is right, ServerError (with errno) where it is not.
        """
        with _translated(statement.secret, self._passing, self.close):
            connection = self._open()
            with connection.cursor() as cursor:
                cursor.execute(statement.text, statement.values)
                return list(cursor.fetchall())

    def load(self, text: bytes) -> None:
        """Runs one statement of a dump, as it is. Raises as `execute` does."""
        with _translated(True, self._passing, self.close):
            self._open().query(text)

    def table(self, statement: Statement) -> list[dict[str, object]]:
        """As `execute`, each row by the names of its columns."""
        with _translated(statement.secret, self._passing, self.close):
            connection = self._open()
            with connection.cursor(pymysql.cursors.DictCursor) as cursor:
                cursor.execute(statement.text, statement.values)
                return [dict(row) for row in cursor.fetchall()]

    def connect(self) -> None:
        """Opens the connection now. Raises as `execute` does."""
        with _translated(True, self._passing, self.close):
            self._open()

    def serves(self) -> bool:
        """Does the server answer now, so that what it cannot do for one request it can for another?"""
        try:
            return bool(self.execute(sql.serves()))
        except DbHandlerError:
            return False

    def accepts(self, user: str, password: str) -> bool:
        """Does this server let the account in with that password? Raises Unavailable, or ServerError for an odd no.

        Told from the hash that the server keeps, over the connection that is open: another may not be to be had, for
        this account or for all. Only what is no plain password is tried.
        """
        found = [password_hash.matches(password, way) for way in self.ways(user)]
        if found and None not in found:
            return any(found)
        return self._lets_in(user, password)

    def ways(self, user: str) -> list[password_hash.Way]:
        """How an account of requests logs in, the newest way first; none where there is no such account."""
        # Only here: the health check proves nobody.
        from dbhandler.engine.stored_ways import ways_of

        rows = self.execute(sql.stored_password(user, self._is_mariadb()))
        return ways_of(rows[0]) if rows else []

    def _lets_in(self, user: str, password: str) -> bool:
        with Server(self._socket, user, password, self._timeout) as visitor:
            try:
                visitor.connect()
            except ServerError as error:
                if error.errno in ACCESS_DENIED:
                    return False
                raise
        return True

    def _is_mariadb(self) -> bool:
        with _translated(True, self._passing, self.close):
            version = self._open().get_server_info()  # type: ignore[no-untyped-call]
        return "mariadb" in str(version).lower()

    def close(self) -> None:
        """Drops the connection; the next statement opens another."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def wait_until_ready(
        self,
        timeout: float,
        question: Statement | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Waits at most `timeout` seconds for the server to answer, and to answer `question`: a cluster's node takes
        connections before it has a quorum. Raises Unavailable when it does not."""
        deadline = clock() + timeout
        while True:
            try:
                self.connect()
                if question is None or self.execute(question):
                    return
                complaint = Unavailable("the database server is not in its cluster yet")
            except Unavailable as error:
                complaint = error
            if clock() >= deadline:
                raise complaint
            sleep(0.02)

    def _open(self) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        if self._connection is not None:
            return self._connection
        deadline = now = time.monotonic()
        if now >= self._patient_again:
            deadline = now + self._patience
            self._patient_again = deadline + PATIENCE_PAUSE * self._patience
        while self._connection is None:
            try:
                self._connection = self._connect()
            except pymysql.err.OperationalError as error:
                # In a flood of connections a free place lasts for milliseconds only.
                if error.args[0] != ER_CON_COUNT or time.monotonic() >= deadline:
                    raise
                time.sleep(FULL_WAIT)
        return self._connection

    def _connect(self) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            unix_socket=self._socket,
            user=self._user,
            # The driver would take text for latin-1; the server was told the password in UTF-8.
            password=self._password.encode(),
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=self._timeout,
            write_timeout=self._timeout,
            init_command=SESSION,
            database=self._database,
            # The socket says who serves: nobody else's certificate is to be feared.
            ssl={"check_hostname": False, "verify_mode": "none"} if self._encrypted else None,
        )


def agent_server(config: Config, timeout: float = STATEMENT_TIMEOUT) -> Server:
    """The server of this container, through the socket account that is named after our operating system user."""
    return Server(
        str(config.socket), config.socket_user, timeout=timeout, refusal_passes=True, patience=FULL_PATIENCE,
        engine=config.engine,
    )  # fmt: skip


@contextmanager
def _translated(secret: bool, passing: frozenset[int], lost: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except (pymysql.err.Error, OSError) as error:
        translated = _error(error, secret, passing)
        if isinstance(translated, Unavailable) and _ends_session(error):
            lost()
        # A traceback of a statement with a credential would quote it.
        raise translated from (None if secret else error)


def _ends_session(error: Exception) -> bool:
    return isinstance(error, OSError) or _errno(error) in SESSION_ENDS or _errno(error) in (0, *CLIENT_ERRORS)


def _errno(error: Exception) -> int:
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def _error(error: Exception, secret: bool, passing: frozenset[int]) -> DbHandlerError:
    errno = _errno(error)
    if errno == ER_CON_COUNT:
        return Full(f"all connections of the database server are taken (error {errno}, max_connections)")
    if isinstance(error, OSError) or errno in CLIENT_ERRORS or errno == 0:
        return Unavailable(f"the database server does not answer (error {errno})")
    detail = "" if secret or len(error.args) < 2 else f": {error.args[1]}"
    if errno in passing or FULL_DISK.search(str(error.args[-1])):
        return Unavailable(f"the database server cannot do this now (error {errno}{detail})")
    return ServerError(f"the database server refused (error {errno}{detail})", errno)
