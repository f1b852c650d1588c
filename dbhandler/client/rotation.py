"""Pure: when a password is to be changed, and how a state goes over to another one.

The new password is saved before anybody is asked, and becomes the present one when a server has it. Several processes
may do this with one file at once: they ask for the same password, and whoever is later finds it done.
"""

from __future__ import annotations

from dataclasses import replace

from dbhandler import passwords
from dbhandler.client.state import State


def due_in(state: State, age: float, now: float) -> float:
    """In how many seconds the password is of that age; none where nobody knows it, or where its change was begun. now
    is in seconds since 1970."""
    if state.changed is None or state.next_password is not None:
        return 0.0
    # One of the future was noted by a clock that was wrong.
    return max(0.0, age - abs(now - state.changed))


def begun(state: State) -> State:
    """The state with a new password to be: that which is there already, or another one."""
    return state if state.next_password else replace(state, next_password=passwords.generate())


def begun_if_older(state: State, age: float, now: float) -> State:
    """As begun, where the password is of that age."""
    return begun(state) if due_in(state, age, now) <= 0 else state


def ended(state: State, password: str | None, now: float) -> State:
    """The state whose present password is the new one, as it was where another process was faster."""
    if password is None or state.next_password != password:
        return state
    return replace(state, password=password, next_password=None, changed=int(now))


def given_up(state: State) -> State:
    """The state without the change that was begun: its account was made anew, with the present password."""
    return replace(state, next_password=None)


def unchanged(state: State) -> State:
    """The state as it is."""
    return state
