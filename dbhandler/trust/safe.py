"""A small secret that stands beside data, closed with a pool's secret: libsodium's secret box (XSalsa20-Poly1305)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from dbhandler.trust.pool import derived


class Safe:
    """Closed with the first of the secrets, opened with any of them."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._boxes = [SecretBox(derived(secret, "safe")) for secret in secrets]

    def close(self, content: bytes) -> str:
        """The content in base64, for whoever has the secret."""
        return base64.b64encode(self._boxes[0].encrypt(content)).decode()

    def open(self, closed: str) -> bytes | None:
        """What was closed with one of the secrets; None for anything else."""
        return next((content for box in self._boxes if (content := _opened(box, closed)) is not None), None)

    def is_current(self, closed: str) -> bool:
        """Was it closed with the first one?"""
        return _opened(self._boxes[0], closed) is not None


def _opened(box: SecretBox, closed: str) -> bytes | None:
    with suppress(CryptoError, binascii.Error, ValueError, TypeError):
        return bytes(box.decrypt(base64.b64decode(closed, validate=True)))
    return None
