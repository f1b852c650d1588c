from pathlib import Path

from dbhandler.registry import Registry


def test_what_was_made_is_listed_once_and_survives(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "r")
    for name in ("wiki", "blog", "wiki", "Blog"):
        registry.made(name)
    assert Registry(tmp_path / "r").names() == ["Blog", "blog", "wiki"]


def test_a_dropped_database_leaves_a_tombstone_until_it_is_made_again(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "r")
    registry.made("wiki")
    registry.dropped("wiki", 17)
    assert (registry.names(), registry.dropped_at("wiki"), registry.dropped_at("blog")) == ([], 17, None)
    registry.made("wiki")
    assert (registry.names(), registry.dropped_at("wiki")) == (["wiki"], None)
