"""A new gossip key for a cluster that runs: Serf hands it to all members, and none misses a message.

Source: Serf's documentation, "Encryption", key rotation. A container that is made anew has the key of its settings, so
those have to follow: in steps, for a member that has not got the new key yet understands nobody who sends with it.
"""

from __future__ import annotations

import base64
import os

from dbhandler.errors import Denied, InvalidRequest
from dbhandler.serf.rpc import Serf

KEY_BYTES = 32


def rotate(serf: Serf) -> str:
    """Makes a key and has all members send with it; the former one is understood until `end`. Returns both, as
    SERF_ENCRYPT_KEY takes them. Raises Denied where a change is under way, Unavailable where a member has not followed,
    or where there is no encryption."""
    keys = serf.gossip_keys()
    if len(keys) != 1:
        raise Denied(
            f"{len(keys)} gossip keys are in use: end the change before first (dbhandler-pool rotate gossip --end)"
        )
    [former] = keys
    new = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    serf.change_gossip_key("install", new)
    serf.change_gossip_key("use", new)
    return f"{new} {former}"


def end(serf: Serf, new: str) -> str:
    """Has all members send with this key and forget all others. Returns it. Raises InvalidRequest for one that they do
    not have, Unavailable as `rotate`."""
    keys = serf.gossip_keys()
    if new not in keys:
        raise InvalidRequest("that is none of the cluster's gossip keys")
    serf.change_gossip_key("use", new)
    for former in sorted(keys.keys() - {new}):
        serf.change_gossip_key("remove", former)
    return new
