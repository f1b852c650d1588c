"""The addresses of the console: which page stands where, and who gets it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlencode

import bottle
from bottle import Bottle, HTTPResponse, request, response

from dbhandler.console.doing import Doing
from dbhandler.console.guard import COOKIE, LIFETIME, Guard, Reader
from dbhandler.console.pages import FOLDER, OVERVIEW, SERVER, Pages, page, render
from dbhandler.console.past import Past
from dbhandler.console.stream import events
from dbhandler.console.watch import Watch
from dbhandler.errors import DbHandlerError
from dbhandler.log import shown

logger = logging.getLogger(__name__)

_FILES = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_NEXT = re.compile(r"/(server|history|do)?(\?[A-Za-z0-9%+&=._~-]*)?")
"""Where a log-in leads to: a page of ours, nothing else."""

View = Callable[[Reader], str]


class Console:
    """The pages of one cluster. application is what a WSGI server serves."""

    def __init__(self, watch: Watch, pages: Pages, guard: Guard, past: Past, doing: Doing) -> None:
        self._watch, self._pages, self._guard = watch, pages, guard
        self._past, self._doing = past, doing
        # Exceptions are the server's matter (http.py): bottle would print what is inside.
        self.application = Bottle()
        self.application.config.update({"catchall": False, "json.enable": False})
        self.application.default_error_handler = _failed
        self._route("/healthz", lambda: "ok\n")
        for name in _FILES:
            self._route(f"/{name}", partial(_file, name))
        self._route("/login", self._login)
        self._route("/login", self._log_in, "POST")
        self._route("/logout", self._log_out, "POST")
        self._route("/live", self._live)
        self.view("/", self._overview)
        self.view("/server", self._server)
        self.view("/history", self._history)
        self.view("/do", self._do)
        self.view("/job", self._job)
        self.act("/do", self._begin)

    def view(self, path: str, make: View) -> None:
        """Adds a page that whoever may look gets."""
        self._route(path, lambda: self._shown(make))

    def act(self, path: str, make: View) -> None:
        """Adds what a form of ours does, for whoever may act; returns a page."""
        self._route(path, lambda: self._done(make), "POST")

    def _route(self, path: str, make: Callable[[], object], method: str = "GET") -> None:
        self.application.route(path, method, make)

    def _shown(self, make: View) -> str:
        reader = self._reader()
        self._watch.looked_at()
        response.set_header("Cache-Control", "no-store")
        return make(reader)

    def _done(self, make: View) -> str:
        reader = self._reader()
        if not self._guard.is_own_form(request.environ, reader, str(request.forms.token or "")):
            raise HTTPResponse("This form is not ours, or it is old: open the page again.\n", 403)
        response.set_header("Cache-Control", "no-store")
        return make(reader)

    def _reader(self) -> Reader:
        reader: Reader | None = self._guard.reader(request.environ)
        if reader is None:
            raise self._to_log_in()
        return reader

    def _to_log_in(self) -> HTTPResponse:
        if not self._guard.takes_password:
            return HTTPResponse("Nobody has told who you are: come by the proxy.\n", 403)
        here = request.path + (f"?{request.query_string}" if request.query_string else "")
        return _to("/login?" + urlencode({"next": here if _NEXT.fullmatch(here) else "/"}))

    # --- pages ---

    def _overview(self, reader: Reader) -> str:
        return self._live_page("Cluster", reader, OVERVIEW, "", "/")

    def _server(self, reader: Reader) -> str:
        name = str(request.query.name or "")
        return self._live_page(name or "?", reader, SERVER, name, "")

    def _history(self, reader: Reader) -> str:
        main = self._past.main(str(request.query.range or ""), str(request.query.server or ""))
        return page("Over time", main, user=reader.name, token=reader.token, here="/history")

    def _do(self, reader: Reader, complaint: str = "") -> str:
        return page("Do", self._doing.main(reader, complaint), user=reader.name, token=reader.token, here="/do")

    def _begin(self, reader: Reader) -> str:
        given = {str(name): str(request.forms.getunicode(name) or "") for name in request.forms}
        try:
            id = self._doing.begin(given.get("do", ""), given, reader)
        except DbHandlerError as error:
            return self._do(reader, str(error))
        logger.info("%s: %s", shown(reader.name), shown(given.get("do", "")))
        raise _to("/job?" + urlencode({"id": id}))

    def _job(self, reader: Reader) -> str:
        job = self._doing.job(str(request.query.id or ""), reader)
        return page(job.title if job else "Not here", render("job", job=job), user=reader.name, token=reader.token,
                    refresh=job is not None and not job.is_over)  # fmt: skip

    def _live_page(self, title: str, reader: Reader, kind: str, name: str, here: str) -> str:
        main = "\n".join(block.html for block in self._pages.blocks(kind, name))
        live = "/live?" + urlencode({"page": kind, "name": name})
        return page(title, main, user=reader.name, token=reader.token, live=live, here=here)

    def _live(self) -> Iterator[bytes]:
        self._reader()
        kind, name = (SERVER if request.query.page == SERVER else OVERVIEW), str(request.query.name or "")
        response.content_type = "text/event-stream"
        response.set_header("Cache-Control", "no-store")
        # A proxy in front of us is not to collect what is to be seen now.
        response.set_header("X-Accel-Buffering", "no")
        environ = dict(request.environ)
        return events(
            partial(self._pages.blocks, kind, name), self._waited, lambda: self._guard.reader(environ) is not None
        )  # fmt: skip

    def _waited(self, version: int, timeout: float) -> int:
        self._watch.looked_at()
        return self._watch.wait(version, timeout)

    # --- logging in ---

    def _login(self, complaint: str = "") -> str:
        if not self._guard.takes_password:
            raise self._to_log_in()
        response.set_header("Cache-Control", "no-store")
        wanted = str(request.params.next or "/")
        return page("Log in", render("login", complaint=complaint, next=wanted if _NEXT.fullmatch(wanted) else "/"))

    def _log_in(self) -> str:
        if not self._guard.is_own_site(request.environ):
            raise HTTPResponse("This form is another site's.\n", 403)
        word = self._guard.log_in(request.environ, str(request.forms.password or ""))
        if word is None:
            response.status = 403
            return self._login("That is not the password, or there were too many wrong ones: wait a minute.")
        wanted = str(request.forms.next or "/")
        gone = _to(wanted if _NEXT.fullmatch(wanted) else "/")
        gone.set_cookie(COOKIE, word, path="/", httponly=True, samesite="strict", max_age=LIFETIME,
                        secure=self._guard.is_encrypted(request.environ))  # fmt: skip
        raise gone

    def _log_out(self) -> str:
        reader = self._reader()
        if self._guard.is_own_form(request.environ, reader, str(request.forms.token or "")):
            self._guard.log_out(request.environ)
        raise _to("/")


def _to(address: str) -> HTTPResponse:
    # Not bottle's own: that makes an absolute address of the Host header, which is anybody's.
    return HTTPResponse("", 303, headers={"Location": address, "Cache-Control": "no-store"})


def _file(name: str) -> bytes:
    response.content_type = f"{_FILES[name]}; charset=utf-8"
    response.set_header("Cache-Control", "max-age=3600")
    return (FOLDER / name).read_bytes()


def _failed(_error: bottle.HTTPError) -> str:
    return page("Not here", render("notice", text="There is no such page."))
