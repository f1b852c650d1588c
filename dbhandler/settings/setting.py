"""One setting at a time: from its variable, or from the file that VAR_FILE names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from dbhandler.errors import ConfigError
from dbhandler.settings.names import KNOWN


def read_setting(environ: Mapping[str, str], name: str) -> str | None:
    """The value of NAME, or what stands in the file that NAME_FILE names (without a last line end), or None.

    Raises ConfigError.
    """
    return Reader(environ).text(name)


class Reader:
    """Reads settings of an environment. Every method raises ConfigError, whose sentence names the variable."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ

    def text(self, name: str) -> str | None:
        """The value, from the variable or its file; None where it is unset or empty."""
        if name not in KNOWN:
            # Whoever adds a setting and forgets the table learns it at once: every start would refuse the name.
            raise LookupError(f"{name} is missing in settings/names.py")
        value, file = self.environ.get(name) or None, self.environ.get(f"{name}_FILE") or None
        if value and file:
            raise ConfigError(f"Both {name} and {name}_FILE are set (but are exclusive)")
        return self._from_file(name, file) if file else value

    def is_set(self, *names: str) -> bool:
        """Is one of them set, as a value or as a file, to anything?"""
        return any(self.environ.get(name) or self.environ.get(f"{name}_FILE") for name in names)

    def number(self, name: str, least: int, most: int) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            raise ConfigError(f"{name} has to be a whole number from {least} to {most}, not {value!r}")
        return int(value)

    def number_or(self, default: int, name: str, least: int, most: int) -> int:
        """As number, with a default."""
        value = self.number(name, least, most)
        return default if value is None else value

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of `allowed`; the first of them where the variable is unset."""
        value = self.text(name) or allowed[0]
        if value not in allowed:
            raise ConfigError(f"{name} has to be one of {', '.join(allowed)}, not {value!r}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.text(name)
        if value not in (None, "0", "1"):
            raise ConfigError(f"{name} has to be 0 or 1, not {value!r}")
        return default if value is None else value == "1"

    def _from_file(self, name: str, file: str) -> str | None:
        try:
            content = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise ConfigError(f"{name}_FILE={file} cannot be read: {reason}") from error
        return content.rstrip("\r\n") or None
