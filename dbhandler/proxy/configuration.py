"""The text of HAProxy's configuration file. Source: HAProxy 3.0's Configuration Manual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from dbhandler.proxy.published import Published

SLOTS = 64
"""Servers that HAProxy holds ready for the nodes of a cluster, without an address until a node gets one."""
ALONE_SLOTS = 4
"""The same for servers that are in no cluster, of which a database has one after another."""
NODES, NODE, ALONE = "nodes", "node", "alone"
"""The backend of DBHANDLER_CLUSTER; what the servers are called that are nodes, and those that are in no cluster."""
_PREFIX = "database."

_GLOBAL = """\
global
  stats socket {socket} mode 600 level admin
defaults
  mode tcp
  timeout connect 1s
  # As long as MySQL keeps an idle connection by itself.
  timeout client 8h
  timeout server 8h
  retries 3
  option redispatch 1
  # A node that is gone answers no probe: the kernel ends its connections, at rest or not, after about 3 s.
  option srvtcpka
  srvtcpka-idle 1s
  srvtcpka-intvl 1s
  srvtcpka-cnt 2
"""
# `tcp-ut` counts with the servers only, not among the defaults.
_NODES = """\
  # The group's port: it listens only while the server runs, and a check there leaves no line in the server's log.
  # Not `on-marked-down shutdown-sessions`: a connection that is only being made then would hang (HAProxy 3.0.11).
  server-template {node} 1-{slots} 127.0.0.1:3306 check port 4567 inter 500ms fastinter 200ms fall 2 rise 2 disabled \
tcp-ut 2s
"""
_CLUSTER = """\
frontend mysql
  bind :3306
  default_backend {nodes}
backend {nodes}
  balance {balance}
"""
_DATABASE = """\
listen {section}
  bind :{port}
  # Where those wait that come while nobody is let in (HaProxy.hold).
  backlog 4096
  balance first
  # Without a check: its server is the only one that has the database.
  server-template {alone} 1-{alone_slots} 127.0.0.1:3306 disabled tcp-ut 2s
"""


def configuration(
    socket_path: Path, cluster: bool, all_write: bool = False, databases: Sequence[Published] = ()
) -> str:
    """The text. cluster: port 3306 is that of a cluster's nodes, all of which get connections with all_write, else the
    first one; each database has a port of its own beside."""
    parts = [_GLOBAL.format(socket=socket_path)]
    nodes = _NODES.format(node=NODE, slots=SLOTS)
    if cluster:
        parts += [_CLUSTER.format(nodes=NODES, balance="leastconn" if all_write else "first"), nodes]
    for one in databases:
        section = section_of(one.database)
        parts += [_DATABASE.format(section=section, port=one.port, alone=ALONE, alone_slots=ALONE_SLOTS), nodes]
    return "".join(parts)


def section_of(database: str) -> str:
    """What the section for a database is called: HAProxy takes letters, digits and `_-.:` only."""
    return _PREFIX + quote(database, safe="").replace("~", "%7E").replace("%", ":")


def database_of(section: str) -> str | None:
    """The database of a section; None for one that is for none."""
    return unquote(section.removeprefix(_PREFIX).replace(":", "%")) if section.startswith(_PREFIX) else None
