"""What dbhandler.boot.supervise takes for granted of supervisor's internals, which promise nothing.

Seen with supervisor 4.3.0 (PyPI) and 4.2.5 (Debian 13, in the image).
"""

from __future__ import annotations

import inspect
from importlib.metadata import version

import pytest
from supervisor import events, options, process
from supervisor.supervisord import Supervisor

SEEN = "4.2.5 and 4.3.0"


def has(what: str, found: object) -> None:
    assert found, f"supervisor {version('supervisor')} is not what boot.supervise was made for ({SEEN}): {what}"


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def test_it_forgets_subscriptions_before_it_runs_and_not_after() -> None:
    run, forever = source(Supervisor.run), source(Supervisor.runforever)
    has("run() no longer clears events", "events.clear()" in run)
    has("run() no longer calls runforever() after that", "self.runforever()" in run.partition("events.clear()")[2])
    has("runforever() clears events", "events.clear()" not in forever)


def test_it_waits_in_the_poller_of_its_options() -> None:
    has("runforever() waits elsewhere", "self.options.poller.poll(" in source(Supervisor.runforever))
    poller = options.ServerOptions().poller
    for name in ("poll", "register_readable", "register_writable", "unregister_readable", "unregister_writable"):
        has(f"the poller has no {name}()", callable(getattr(poller, name, None)))
    has("poll() takes more than a time-out", [*inspect.signature(poller.poll).parameters] == ["timeout"])


@pytest.mark.parametrize("name", ["ProcessStateFatalEvent", "ProcessStateExitedEvent", "Tick5Event"])
def test_it_has_the_events(name: str) -> None:
    has(f"there is no event {name}", hasattr(events, name))


def test_its_events_say_which_program_and_whether_its_end_was_expected() -> None:
    class Ended:
        pid, spawnerr, exitstatus = 1, "", 1

    made = events.ProcessStateExitedEvent(Ended(), "RUNNING", False)
    has("an event has no process", isinstance(made.process, Ended))
    has("an event of an end does not say whether it was expected", made.expected is False)


def test_a_program_can_be_asked_and_started() -> None:
    for name in ("get_state", "spawn"):
        has(f"a process has no {name}()", callable(getattr(process.Subprocess, name, None)))
    has("a process has no exitstatus", hasattr(process.Subprocess, "exitstatus"))
    has("a process that was never started says something else of it", process.Subprocess.laststart == 0)
    has("a program has no exitcodes", "exitcodes" in options.ProcessConfig.req_param_names)


@pytest.mark.parametrize("name", ["realize", "close_httpservers", "close_logger", "mood"])
def test_its_options_can_be_driven(name: str) -> None:
    has(f"ServerOptions has no {name}", hasattr(options.ServerOptions(), name))


def test_a_run_is_told_whether_it_is_the_first() -> None:
    has("Supervisor.main() does not look at options.first", "self.options.first" in source(Supervisor.main))
