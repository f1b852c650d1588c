"""What Serf prints, as our log shows it."""

from __future__ import annotations

import io
import logging

import pytest

from dbhandler import log
from dbhandler.serf.output import MAX_LINE, relay


def relayed(text: str) -> tuple[list[tuple[int, str]], str]:
    """The lines as they are logged, and the failure."""
    lines: list[tuple[int, str]] = []
    failure = relay(io.BytesIO(text.encode("utf-8", "surrogateescape")), lambda *line: lines.append(line))
    return lines, failure


def test_levels_are_serfs_and_its_clock_is_ours() -> None:
    text = "==> Serf agent running!\n\n" + "".join(
        f"    2026/11/24 22:04:54 [{level}] serf: {level}\n" for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERR")
    )
    assert relayed(text) == (
        [
            (logging.INFO, "==> Serf agent running!"), (logging.DEBUG, "serf: TRACE"), (logging.DEBUG, "serf: DEBUG"),
            (logging.INFO, "serf: INFO"), (logging.WARNING, "serf: WARN"), (logging.ERROR, "serf: ERR"),
        ],
        "serf: ERR",
    )  # fmt: skip


def test_the_reason_of_an_end_is_found() -> None:
    assert relayed("==> Starting Serf agent...\n==> Failed to start the Serf agent: bind\n")[1] == (
        "Failed to start the Serf agent: bind"
    )
    assert relayed("all well\n")[1] == ""


def test_of_a_crash_the_first_words_are_shown_and_not_the_inside() -> None:
    inside = "".join(f"goroutine {number} [running]:\n\tmain.go:1 +0x1\n" for number in range(1000))
    lines, failure = relayed(f"fatal error: out of memory\n\n{inside}2026/11/24 22:04:54 [INFO] serf: last\n")
    assert [text for _, text in lines] == ["fatal error: out of memory", "serf: last"]
    assert failure == "fatal error: out of memory"


def test_nobody_forges_a_line_or_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure()
    forged = "2026-11-24 00:00:00+00:00 [Note] [dbhandler]: query drop_db: 'shop' dropped"
    printed = f"2026/11/24 22:04:54 [INFO] serf: EventMemberJoin: evil\x1b[2J\x9b\n{forged}\r{forged}\n"
    relay(io.BytesIO(printed.encode()))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.isprintable() and " [Note] [serf]: " in line[:42]


def test_a_line_without_an_end_is_cut_and_not_kept_in_memory() -> None:
    lines, _ = relayed("x" * (3 * MAX_LINE) + "\udcff")
    assert [len(text) for _, text in lines] == [MAX_LINE] * 3 + [1]


def test_as_json_the_component_is_serf(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json")
    relay(io.BytesIO(b"2026/11/24 22:04:54 [WARN] serf: late\n"))
    assert '"level": "warn", "component": "serf", "message": "serf: late"' in capsys.readouterr().err
