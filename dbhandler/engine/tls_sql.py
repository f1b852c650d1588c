"""Statements about the certificate that the server shows.

Sources: MariaDB Server Documentation, FLUSH SSL; MySQL 9.7 Reference Manual, 15.1.5 ALTER INSTANCE.
"""

from __future__ import annotations

from dbhandler.engine.sql import Statement


def certificate_file() -> Statement:
    """One row: the file of the certificate that the server shows."""
    return Statement("SELECT @@GLOBAL.ssl_cert")


def reload_tls(engine: str, roots: str) -> list[Statement]:
    """Makes the server show the certificate that stands in its file by now, which has to be signed by one of those in
    the file `roots`; open connections live on."""
    if engine == "mariadb":
        # Each node of a cluster has a certificate of its own.
        return [Statement("FLUSH LOCAL SSL")]
    return [*_reload_tls("", "mysql_main", roots), *_reload_tls("admin_", "mysql_admin", roots)]


def _reload_tls(prefix: str, channel: str, roots: str) -> list[Statement]:
    # MySQL shows no certificate whose signer it does not know (error 3888), unless it is that which it started with.
    # Whom its clients have to be signed by is the owner's to say.
    authorities = f"@@GLOBAL.{prefix}ssl_ca, @@GLOBAL.{prefix}ssl_capath"
    known = f"IF(CONCAT_WS('', {authorities}) = '', %s, @@GLOBAL.{prefix}ssl_ca)"
    return [
        Statement(f"SET GLOBAL {prefix}ssl_ca = {known}", (roots,)),
        Statement(f"ALTER INSTANCE RELOAD TLS FOR CHANNEL {channel}"),
    ]
