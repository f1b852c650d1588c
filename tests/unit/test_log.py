"""Log lines."""

from __future__ import annotations

import io
import json
import logging
import re

import pytest

from dbhandler import log
from dbhandler.agent.outcome_log import OutcomeLog
from dbhandler.provisioning.provision import Outcome
from dbhandler.requests.vocabulary import Status


@pytest.fixture
def stream() -> io.StringIO:
    """Where the package logs to during a test."""
    stream = io.StringIO()
    log.configure(stream=stream)
    return stream


def test_a_line_has_the_form_of_the_official_images(stream: io.StringIO) -> None:
    logging.getLogger("dbhandler.x").warning("about %s", "this")
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00 \[Warn\] \[dbhandler\]: about this\n"
    assert re.fullmatch(line, stream.getvalue())


@pytest.mark.parametrize(
    ("level", "shown"), [(logging.INFO, "Note"), (logging.WARNING, "Warn"), (logging.ERROR, "ERROR")]
)
def test_levels_have_the_names_of_the_official_images(stream: io.StringIO, level: int, shown: str) -> None:
    logging.getLogger("dbhandler.x").log(level, "text")
    assert f" [{shown}] " in stream.getvalue()


def test_debug_lines_and_those_of_other_packages_are_left_out(stream: io.StringIO) -> None:
    logging.getLogger("dbhandler.x").debug("debug")
    logging.getLogger("other").error("other")
    assert stream.getvalue() == ""


def test_configured_twice_logs_once(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    logging.getLogger("dbhandler.x").info("text")
    assert stream.getvalue().count("text") == 1


def test_a_record_is_one_line_whatever_it_says(stream: io.StringIO) -> None:
    # The server's messages quote names; nobody may forge a line of the log with one.
    logging.getLogger("dbhandler.x").error("near 'a\n2026 [Note] b\r\x1b[2J\u2028c'")
    assert len(stream.getvalue().splitlines()) == 1
    assert r"near 'a\n2026 [Note] b\r\x1b[2J\u2028c'" in stream.getvalue()


def test_an_exception_is_one_line_without_its_traceback(stream: io.StringIO) -> None:
    # A traceback may quote the statement, and with it a password.
    try:
        raise ValueError("secret")
    except ValueError:
        logging.getLogger("dbhandler.x").exception("it failed")
    assert stream.getvalue().endswith("]: it failed\n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("wordpress", "'wordpress'"),
        ("a'b", '"a\'b"'),
        ("a\nb\0", r"'a\nb\x00'"),
        ("ü\N{PILE OF POO}", r"'\xfc\U0001f4a9'"),
        ("x" * 64, "'" + "x" * 64 + "'"),
        ("x" * 65, "'" + "x" * 64 + "'..."),
    ],
)
def test_a_value_from_the_network_is_shown_quoted_in_one_line_of_ascii(value: str, shown: str) -> None:
    assert log.shown(value) == shown


def test_json_is_one_object_per_line_with_the_records_fields() -> None:
    stream = io.StringIO()
    log.configure("json", stream)
    logger = logging.getLogger("dbhandler.test")
    logger.warning("a %s", "b\nc", extra={"fields": {"database": "shop"}})
    [line] = stream.getvalue().splitlines()
    content = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", content.pop("time"))
    assert content == {"level": "warn", "component": "dbhandler", "message": "a b\nc", "database": "shop"}


def test_an_outcome_is_told_in_fields() -> None:
    stream = io.StringIO()
    log.configure("json", stream)
    OutcomeLog(lambda: 0.0).write("event create_db #7:", Outcome(Status.DENIED, "shop", reason="a rule"), 1.25)
    fields = json.loads(stream.getvalue())
    assert {key: fields[key] for key in ("origin", "status", "database", "reason", "milliseconds")} == {
        "origin": "event create_db #7",
        "status": "denied",
        "database": "shop",
        "reason": "a rule",
        "milliseconds": 1.2,
    }
    assert "user" not in fields
