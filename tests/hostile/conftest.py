"""Attackers as containers; the fixtures are those of the image tests."""

from tests.image.conftest import _engine_answers, engine, site

__all__ = ["_engine_answers", "engine", "site"]
