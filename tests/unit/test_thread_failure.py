"""No thread ends unnoticed."""

from __future__ import annotations

import threading

import pytest

from dbhandler.thread_failure import ThreadFailure


def test_a_thread_that_fails_is_told_and_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    ended: list[bool] = []
    failure = ThreadFailure(lambda: ended.append(True))
    monkeypatch.setattr(threading, "excepthook", failure)

    def fails() -> None:
        raise KeyError("secret")

    thread = threading.Thread(target=fails, name="membership")
    thread.start()
    thread.join(10)
    assert (ended, failure.happened) == ([True], True)
    assert caplog.messages == ["the thread membership has failed (KeyError): this process ends"]
    assert capfd.readouterr() == ("", "")
