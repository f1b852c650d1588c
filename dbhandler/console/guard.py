"""Who may look, and who may act: a password or a proxy's word for it, sessions in memory, and forms that are ours.

Nothing of it is stored: a restart ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from dbhandler.address import host_and_port
from dbhandler.log import shown
from dbhandler.settings.console import ConsoleSettings, is_within
from dbhandler.trust import words

logger = logging.getLogger(__name__)

COOKIE = "dbhandler_console"
LIFETIME = 12 * 3600
"""Seconds for which a session lasts."""
MOST_SESSIONS = 100
TRIES, TRIES_TIME, MOST_ADDRESSES = 10, 60.0, 1000
"""Wrong passwords from one address within so many seconds, and addresses that are remembered for that."""
PASSWORD_USER = "operator"  # noqa: S105 - the name of whoever has the password
MOST_NAME = 64
"""Characters of a name in a proxy's header."""
_NAME = re.compile(r"[^\x00-\x1f\x7f]+")

Environ = Mapping[str, object]


@dataclass(frozen=True)
class Reader:
    """Who looks. token is what his forms have to hold; without one he may only look."""

    name: str = ""
    token: str = ""

    @property
    def may_act(self) -> bool:
        return bool(self.token)


@dataclass(frozen=True)
class _Session:
    ends: float
    token: str


class Guard:
    """Decides for the console with these settings; a request is its WSGI environment."""

    def __init__(self, settings: ConsoleSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock, self._key = settings, clock, os.urandom(32)
        self._sessions: dict[str, _Session] = {}
        self._failures: dict[str, list[float]] = {}

    @property
    def takes_password(self) -> bool:
        """Can one log in here?"""
        return self._settings.password is not None

    def reader(self, request: Environ) -> Reader | None:
        """Who asks; None: somebody who has to log in first."""
        if (name := self._told_by_proxy(request)) is not None:
            return Reader(name, self._token(name))
        if (session := self._session(request)) is not None:
            return Reader(PASSWORD_USER, session.token)
        return None if self._settings.has_login else Reader()

    def is_for_us(self, request: Environ) -> bool:
        """Does the browser know this page under a name that is ours? Without a login whoever makes a name lead to
        this host could have his own page read ours. Source: "DNS rebinding"."""
        if self._settings.has_login:
            return True
        parts = host_and_port(str(request.get("HTTP_HOST", "")), 80)
        host = parts[0].strip("[]").lower() if parts else ""
        return host == "localhost" or _is_loopback(host)

    def log_in(self, request: Environ, password: str) -> str | None:
        """The word of a new session, None for a wrong password, or after too many of them."""
        address, now = _network_of(request), self._clock()
        failures = [at for at in self._failures.get(address, ()) if now - at < TRIES_TIME]
        own = (self._settings.password or "").encode()
        if own and len(failures) < TRIES and hmac.compare_digest(_digest(password.encode()), _digest(own)):
            return self._begun(now)
        self._failures.pop(address, None)
        while len(self._failures) >= MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures[address] = [*failures, now][-TRIES:]
        if len(failures) == TRIES - 1:
            logger.warning("%d wrong passwords from %s within a minute: it waits", TRIES, shown(address))
        return None

    def log_out(self, request: Environ) -> None:
        """Ends the session of a request."""
        self._sessions.pop(_digest_word(_word(request)), None)

    def is_own_form(self, request: Environ, reader: Reader, token: str) -> bool:
        """Was this sent by a form that we gave this reader? Another site's page can send one, but knows no token."""
        right = hmac.compare_digest(token.encode("utf-8", "replace"), reader.token.encode())
        return reader.may_act and right and self.is_own_site(request)

    def is_own_site(self, request: Environ) -> bool:
        """Does the browser say that it comes from a page of ours, or does it say nothing?"""
        if str(request.get("HTTP_SEC_FETCH_SITE", "none")) not in ("same-origin", "none"):
            return False
        origin = request.get("HTTP_ORIGIN")
        return origin is None or str(origin).partition("://")[2] == str(request.get("HTTP_HOST", ""))

    def is_encrypted(self, request: Environ) -> bool:
        """Has the browser come over TLS, as the proxy in front of us says?"""
        return self._is_from_proxy(request) and request.get("HTTP_X_FORWARDED_PROTO") == "https"

    def _told_by_proxy(self, request: Environ) -> str | None:
        header = self._settings.user_header
        if header is None or not self._is_from_proxy(request):
            return None
        name = str(request.get("HTTP_" + header.upper().replace("-", "_"), ""))
        return name[:MOST_NAME] if _NAME.fullmatch(name) else None

    def _is_from_proxy(self, request: Environ) -> bool:
        return is_within(str(request.get("REMOTE_ADDR", "")), self._settings.behind)

    def _token(self, name: str) -> str:
        return words.encode(hmac.digest(self._key, name.encode("utf-8", "surrogateescape"), "sha256"))

    def _session(self, request: Environ) -> _Session | None:
        found = self._sessions.get(_digest_word(_word(request)))
        return found if found and self._clock() < found.ends else None

    def _begun(self, now: float) -> str:
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)), None)
        word = words.encode(os.urandom(32))
        self._sessions[_digest_word(word)] = _Session(now + LIFETIME, words.encode(os.urandom(32)))
        return word


def _word(request: Environ) -> str:
    try:
        morsel = SimpleCookie(str(request.get("HTTP_COOKIE", ""))).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def _digest_word(word: str) -> str:
    # A look-up by the word itself would take a time that tells of others.
    return hashlib.sha256(word.encode("utf-8", "replace")).hexdigest()


def _network_of(request: Environ) -> str:
    """The address of who asks; of IPv6 the network, of which one host has all addresses."""
    text = str(request.get("REMOTE_ADDR", ""))
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return str(ipaddress.ip_network((text, 64), strict=False)) if address.version == 6 else text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
