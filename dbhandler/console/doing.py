"""The page on which an operator has something done, and that of what is being done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from dbhandler.console.actions import Actions, Done, Progress
from dbhandler.console.guard import Reader
from dbhandler.console.jobs import Act, Job, Jobs
from dbhandler.console.pages import render
from dbhandler.errors import InvalidRequest
from dbhandler.log import shown

MOST_FIELD = 256
"""Characters of a field."""


@dataclass(frozen=True)
class Field:
    """One of a form: its name, what stands before it, and what it has to be."""

    name: str
    label: str
    is_required: bool = True
    is_secret: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Form:
    """One thing that can be done, and the command that does the same."""

    name: str
    title: str
    button: str
    command: str
    fields: tuple[Field, ...]
    note: str = ""
    needs_directory: bool = False


_DATABASE = Field("name", "Database")
_USER = Field("user", "Account", is_required=False, hint="its own, if left empty")
_PASSWORD = Field("password", "Its present password", is_secret=True)

FORMS = (
    Form(
        "request", "Ask for a database", "Ask for it", "dbhandler-request NAME [--user USER] [--where LABELS]",
        (_DATABASE, _USER, Field("where", "Where", is_required=False, hint="labels, in a pool with a directory")),
        "Its password is shown once, and kept nowhere.",
    ),
    Form(
        "rotate", "Change a password", "Change it", "dbhandler-request NAME --state FILE --rotate",
        (_DATABASE, _USER, _PASSWORD),
        "An application that keeps its password in a state file changes it itself: it would not know of this one.",
    ),
    Form(
        "restore", "Restore beside", "Restore it",
        "dbhandler-request NAME --state FILE --restore-as TARGET --at MOMENT",
        (_DATABASE, _USER, _PASSWORD, Field("at", "As it was at", hint="2026-11-23 21:04:05, UTC"),
         Field("target", "Into a new database")),
        "The present one stays as it is. The server has to have DBHANDLER_ALLOW_RESTORE=1.",
    ),
    Form(
        "drain", "Drain a server", "Drain it", "dbhandler-pool drain NODE --no-wait", (Field("node", "Server"),),
        "All its databases move to other servers while they are used, and it gets no new ones.", needs_directory=True,
    ),
    Form(
        "end_drain", "End a drain", "End it", "dbhandler-pool drain NODE --end", (Field("node", "Server"),),
        "It gets new databases again; what has moved stays where it is.", needs_directory=True,
    ),
)  # fmt: skip
BY_NAME: Mapping[str, Form] = {form.name: form for form in FORMS}


class Doing:
    """Makes both pages, and begins what is asked for."""

    def __init__(self, actions: Actions, jobs: Jobs) -> None:
        self._actions, self._jobs = actions, jobs

    def main(self, reader: Reader, complaint: str = "") -> str:
        """The forms, for whoever may act; for others why there are none."""
        return render("do", forms=self._forms(), reader=reader, complaint=complaint)

    def begin(self, name: str, given: Mapping[str, str], reader: Reader) -> str:
        """Begins what a form asks for; returns the id of the job. Raises InvalidRequest, or TryLater."""
        form = BY_NAME.get(name)
        if form is None or form not in self._forms():
            raise InvalidRequest(f"nobody can do {shown(name)} here")
        values = {field.name: _checked(field, given.get(field.name, "")) for field in form.fields}
        act: Act = partial(_act, self._actions, form, values)
        return self._jobs.begin(form.title, reader.token, act)

    def job(self, id: str, reader: Reader) -> Job | None:
        """What is being done, if it is this reader's."""
        return self._jobs.look(id, reader.token) if reader.may_act else None

    def _forms(self) -> Sequence[Form]:
        return [form for form in FORMS if self._actions.can_drain or not form.needs_directory]


def _act(actions: Actions, form: Form, values: Mapping[str, str], progress: Progress) -> Done:
    known: Mapping[str, Callable[..., Done]] = {
        "request": actions.request, "rotate": actions.rotate, "restore": actions.restore, "drain": actions.drain,
        "end_drain": actions.end_drain,
    }  # fmt: skip
    return known[form.name](progress, **values)


def _checked(field: Field, value: str) -> str:
    value = value if field.is_secret else value.strip()
    if field.is_required and not value:
        raise InvalidRequest(f"the field {field.label!r} is empty")
    if len(value) > MOST_FIELD or not value.isprintable():
        raise InvalidRequest(f"the field {field.label!r} has at most {MOST_FIELD} printable characters")
    return value
