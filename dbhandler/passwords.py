"""Passwords that nobody has to think up."""

from __future__ import annotations

import secrets
import string

LENGTH = 32
"""Letters and digits: 190 bits."""


MAX_BYTES = 256
"""What caching_sha2_password takes at a log-in."""


def generate(length: int = LENGTH) -> str:
    """A password of so many letters and digits: 5.95 bits each."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(length))
