"""The errors of this package: one root, and the few kinds that callers tell apart."""


class DbHandlerError(Exception):
    """Root of all errors raised on purpose; its text is one sentence fit for a user, free of secrets."""


class ConfigError(DbHandlerError):
    """A setting is wrong; the text names the variable."""


class InvalidRequest(DbHandlerError):
    """A request breaks a rule of form; the text names the rule and the value. Asking again is useless."""


class Denied(DbHandlerError):
    """A request is well formed but not allowed to whoever made it."""


class NotForUs(Denied):
    """A sealed box that this server cannot open: made for another one, or damaged."""


class Elsewhere(Denied):
    """A database is another server's of the pool. server is the name of that one's member."""

    def __init__(self, message: str, server: str) -> None:
        super().__init__(message)
        self.server = server


class Unavailable(DbHandlerError):
    """A server is away or cannot work now; asking again later is right."""


class Resting(Unavailable):
    """The server is well, and leaves the work to others for a while."""


class Busy(Unavailable):
    """One request cannot be carried out now, while others can. wait is the number of seconds until its next try."""

    def __init__(self, message: str, wait: float) -> None:
        super().__init__(message)
        self.wait = wait


class Full(Unavailable):
    """The server is alive, but all of its connections are taken."""


class TryLater(Unavailable):
    """There are servers, but the one that counts cannot answer yet, or it is not certain which one counts."""


class NoAnswer(TryLater):
    """Nodes that were asked have not answered, for whatever reason; another node of their cluster may.

    nodes are their names.
    """

    def __init__(self, message: str, nodes: frozenset[str]) -> None:
        super().__init__(message)
        self.nodes = nodes


class Placed(TryLater):
    """A server says that another one has the database, or shall get it: that one is to be asked.

    server is the name of that one's member, pool the id of the pool that the answer proves to be of (None: of none).
    """

    def __init__(self, message: str, server: str, pool: str | None = None) -> None:
        super().__init__(message)
        self.server, self.pool = server, pool


class ServerError(DbHandlerError):
    """The database server refused a statement for good.

    errno is the server's number; the server's own text is left out, because it may quote the statement.
    """

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno
