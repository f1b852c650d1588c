"""Pools of several servers; the fixtures are those of the image tests."""

from tests.image.conftest import _engine_answers, site

__all__ = ["_engine_answers", "site"]
