"""The console as a process on this machine, and a browser that looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from axe_core_python.selenium import Axe
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.docker import eventually, free_port
from tests.support.visitor import Visitor

PROGRAM = "from dbhandler.console.cli import main; import sys; sys.exit(main([]))"
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
PHONE = {"width": 375, "height": 760, "deviceScaleFactor": 1, "mobile": True}


class ConsoleProcess:
    """One console, which asks the agent at an address."""

    def __init__(self, agent: str, log: Path, **environ: str) -> None:
        self.port, self._log = free_port(), log
        # Those of the tests themselves begin like settings, and are none.
        inherited = {name: text for name, text in os.environ.items() if not name.startswith(("DBHANDLER_", "SERF_"))}
        settings: Mapping[str, str] = {
            **inherited, "SERF_RPC_ADDR": agent, "DBHANDLER_CONSOLE": f"127.0.0.1:{self.port}",
            "DBHANDLER_RUN_DIR": str(log.parent), **environ,
        }  # fmt: skip
        with log.open("wb") as stderr:
            self._process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=settings, stderr=stderr)
        eventually("the page to answer", self._answers)

    def __enter__(self) -> ConsoleProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def memory(self) -> float:
        """What it takes of memory, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def log(self) -> str:
        return self._log.read_text()

    def _answers(self) -> bool:
        assert self._process.poll() is None, self.log
        try:
            with urlopen(f"{self.url}/healthz", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Onlooker(Visitor):
    """A browser at the console."""

    def __init__(self) -> None:
        super().__init__()
        self._driver.set_window_size(1280, 860)

    def complaints(self) -> list[str]:
        """What keeps people from using this page, by the rules of WCAG AA."""
        found = Axe().run(self._driver, options=RULES)["violations"]
        return [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']][:3]}" for one in found]

    def log_in_console(self, url: str, password: str) -> None:
        self.open(url)
        # Of the site before the cookie may be there still.
        if self.count("#password"):
            self.type("#password", password)
            self.click("form.login button")
        self._find("#live")

    def colours(self, scheme: str) -> None:
        """Looks as somebody with a dark or a light screen does."""
        self._command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def phone(self) -> None:
        self._command("Emulation.setDeviceMetricsOverride", **PHONE)

    def desk(self) -> None:
        self._command("Emulation.clearDeviceMetricsOverride")

    def javascript(self, is_on: bool) -> None:
        self._command("Emulation.setScriptExecutionDisabled", value=not is_on)

    def size(self, width: int, height: int) -> None:
        self._driver.set_window_size(width, height)

    def painted(self) -> float:
        """Milliseconds from the click to the first paint."""
        script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        return float(self._wait.until(lambda driver: driver.execute_script(script)))

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self._script("return document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def html(self) -> str:
        return str(self._driver.page_source)

    def count(self, selector: str) -> int:
        return len(self._driver.find_elements(By.CSS_SELECTOR, selector))

    def text_of(self, selector: str) -> str:
        # In one step: what is found may have been replaced before it is read.
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self._driver.execute_script(script, selector))

    def press(self, *keys: str) -> None:
        for key in keys:
            self._driver.switch_to.active_element.send_keys(key)

    def focused(self) -> str:
        """The id of what has the focus, else its text."""
        element = self._driver.switch_to.active_element
        return str(element.get_attribute("id") or element.text)

    def was_changed_by_script(self) -> bool:
        """Has a script that is not ours run? Hostile names set this mark."""
        return bool(self._script("return window.taken === true"))

    def console_errors(self) -> list[str]:
        """What the browser complains about: what the content security policy has refused is among it."""
        return [str(one["message"]) for one in self._driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def _script(self, script: str) -> int:
        return int(self._driver.execute_script(script) or 0)

    def _command(self, command: str, **parameters: object) -> None:
        self._driver.execute_cdp_cmd(command, parameters)


TAB, ENTER = Keys.TAB, Keys.ENTER
