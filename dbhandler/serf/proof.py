"""What makes the tags of a member more than words: a signature over all of them, by the pool's secret.

Name and address of the member are signed, too, so that a copy is worth nothing to another one; and the time, so that
what a member once was is worth nothing later. Who has lost its tags' proof, or never had one, is only not believed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress

from dbhandler.log import shown
from dbhandler.serf.kept import Complaint
from dbhandler.serf.members import MAX_TAG, Member
from dbhandler.serf.tags import PROOFS, Tag
from dbhandler.trust.pool import Pool
from dbhandler.trust.signature import Purpose, is_genuine

LIFETIME = 3600
"""Seconds for which a live member's proof is believed."""
RENEWED = LIFETIME // 3
"""Seconds after which it is made anew: a change of tags, which costs all members a message."""
SKEW = 300
"""Seconds by which clocks may differ."""

logger = logging.getLogger(__name__)

Clock = Callable[[], float]

_SIGNED = frozenset(Tag) - set(PROOFS)
_FRAME = 4
"""Bytes of Serf's that stand before all tags."""


class Prover:
    """Proves what this node says, for one pool."""

    def __init__(self, pool: Pool, clock: Clock = time.time) -> None:
        self._pool, self._clock = pool, clock
        self._complaint = Complaint(logger.warning)

    def proofs(self, member: Member) -> Mapping[str, str]:
        """The tags that prove the others of this member; what it shows already, while that is true and not too old. All
        tags of one have 512 bytes: of several secrets as many as fit are used, the present one's first."""
        content = _said(member, when := self._time(member))
        made: dict[str, str] = {
            tag: f"{when:x}.{key.sign(Purpose.MEMBER, content)}"
            for tag, key in zip(PROOFS, self._pool.keys, strict=False)
        }
        others = {name: text for name, text in member.tags.items() if name not in PROOFS}
        fitting = _fitting(made, MAX_TAG - _FRAME - _size(others))
        self._complaint.say("" if fitting else "this node's tags have no room for their proof: nobody believes them")
        return fitting

    def _time(self, member: Member) -> int:
        # Two of our processes set tags: with one time both make the same proof, and leave each other's alone.
        now, shown = int(self._clock()), 0
        with suppress(ValueError):
            # Of a member whose role somebody else has changed no tag was checked.
            shown = int(member.tags.get(Tag.PROOF, "").partition(".")[0], 16)
        return shown if now - RENEWED < shown <= now else now


class Believer:
    """Looks at members with the eyes of one that believes these pools; with no pool it believes everybody."""

    def __init__(self, pools: Collection[str], clock: Clock = time.time) -> None:
        self.pools, self._clock = tuple(pools), clock

    def is_proven(self, member: Member) -> bool:
        """Has one of the pools signed what this member says, for this member, and not too long ago? Of one that is not
        alive the time does not count: it gets nothing, and what it may hold counts until Serf forgets it."""
        return any(self._proves(member, member.tags.get(tag, "")) for tag in PROOFS)

    def believed(self, members: Iterable[Member]) -> list[Member]:
        """The members, without those that say they are databases and cannot prove it."""
        return [member for member in members if not self.pools or not member.is_database or self.is_proven(member)]

    def unproven(self, members: Iterable[Member]) -> list[Member]:
        """Those that `believed` leaves out."""
        return [member for member in members if self.pools and member.is_database and not self.is_proven(member)]

    def _proves(self, member: Member, proof: str) -> bool:
        written, _, signature = proof.partition(".")
        if not signature or not self._is_fresh(member, when := int(written, 16)):
            return False
        return any(is_genuine(pool, Purpose.MEMBER, _said(member, when), signature) for pool in self.pools)

    def _is_fresh(self, member: Member, signed: int) -> bool:
        return not member.alive or -SKEW <= self._clock() - signed <= LIFETIME + SKEW


def unproved(_member: Member) -> Mapping[str, str]:
    """The proofs of a node that has no pool."""
    return {}


def outlived(tags: Mapping[str, str], proofs: Mapping[str, str]) -> list[str]:
    """The proofs among the tags that are none any more: they would take the room of others."""
    return [tag for tag in PROOFS if tag in tags and tag not in proofs]


def shows_proof(member: Member) -> bool:
    """Does this member know of proofs, of whatever pool?"""
    return member.is_database and Tag.PROOF in member.tags


def names_of(members: Iterable[Member]) -> str:
    """Their names, as a sentence quotes them."""
    return ", ".join(shown(member.name) for member in members)


def _said(member: Member, signed: int) -> Mapping[str, object]:
    # Other tags are nobody's business: Serf or the owner may set some.
    tags = {name: text for name, text in member.tags.items() if name in _SIGNED}
    return {"name": member.name, "host": member.host, "port": member.port, "time": signed, "tags": tags}


def _fitting(tags: Mapping[str, str], room: int) -> Mapping[str, str]:
    return {tag: text for tag, text in tags.items() if (room := room - _size({tag: text})) >= 0}


def _size(tags: Mapping[str, str]) -> int:
    # As Serf encodes them: msgpack, a byte or two before each text.
    return sum(len(name.encode()) + len(text.encode()) + 4 for name, text in tags.items())
