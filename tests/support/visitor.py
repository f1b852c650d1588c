"""Somebody with a browser: Debian's Chromium, driven as a person would use it."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

DEADLINE = 90.0
"""Seconds for a page to show what is looked for."""
ATTEMPTS = 3

OPTIONS = ("--headless=new", "--disable-dev-shm-usage", "--window-size=1000,780", "--hide-scrollbars")


class Visitor:
    """A browser with cookies of its own. Every method waits until the page shows what it needs."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        # Chromium's sandbox refuses root, who runs the tests in a CI container.
        for option in (*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])):
            options.add_argument(option)
        options.binary_location = str(shutil.which("chromium"))
        # By its path: Selenium would otherwise look for one on the Internet.
        self._driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        self._driver.set_script_timeout(DEADLINE)

    def close(self) -> None:
        self._driver.quit()

    # --- WordPress ---

    def install(self, url: str, title: str, user: str) -> str:
        """Fills in the installation page; returns the password that it proposed."""
        for _ in range(ATTEMPTS):
            self.open(url)
            # The page's script proposes one; where a part of it was not loaded in time a person tries again, too.
            if password := self._proposed_password():
                break
        self.type("#weblog_title", title)
        self.type("#user_login", user)
        self.type("#admin_email", f"{user}@example.com")
        self.screenshot("install")
        self.click("#submit")
        self._wait.until(lambda _: "WordPress has been installed" in self.text)
        return password

    def _proposed_password(self) -> str:
        with suppress(TimeoutException):
            short = WebDriverWait(self._driver, DEADLINE / ATTEMPTS)
            return str(short.until(lambda driver: driver.find_element(By.ID, "pass1").get_attribute("value")))
        return ""

    def log_in(self, url: str, user: str, password: str) -> None:
        """Logs in, which has to lead to the dashboard."""
        self.open(f"{url}/wp-login.php")
        # After 0.2 s the page's script goes to one of the fields, and empties that of the password: a timer of our own,
        # begun later, ends later.
        self._driver.execute_async_script("setTimeout(arguments[0], 300)")
        self.type("#user_login", user)
        self.type("#user_pass", password)
        self._wait.until(lambda _: self._find("#user_pass").get_attribute("value") == password)
        self.click("#wp-submit")
        self._wait.until(expected_conditions.title_contains("Dashboard"))

    def upload(self, url: str, picture: Path) -> str:
        """Adds a picture to the media library; returns its URL."""
        self.open(f"{url}/wp-admin/media-new.php?browser-uploader")
        self._find("#async-upload").send_keys(str(picture))
        self.click("#html-upload")
        # Leaving earlier would cut the upload off.
        self._wait.until(expected_conditions.url_contains("/upload.php"))
        self.open_editor(url)
        return str(self._api("wp.apiFetch({path: '/wp/v2/media'}).then(found => found[0].source_url)"))

    def publish(self, url: str, title: str, text: str, picture: str) -> None:
        """Writes a post in the block editor, with a picture before it, and publishes it."""
        self.open_editor(url)
        self.click(".components-modal__header button[aria-label=Close]")
        self._wait.until(expected_conditions.frame_to_be_available_and_switch_to_it("editor-canvas"))
        self.click(".wp-block-post-title")
        self._driver.switch_to.active_element.send_keys(title, Keys.ENTER)
        self._driver.switch_to.active_element.send_keys(text)
        self._driver.switch_to.default_content()
        block = f"wp.blocks.createBlock('core/image', {{url: '{picture}', alt: 'A picture'}})"
        self._driver.execute_script(f"wp.data.dispatch('core/block-editor').insertBlocks({block}, 0, '', false)")
        self.click(".editor-post-publish-panel__toggle")
        self.click(".editor-post-publish-panel .editor-post-publish-button")
        self._find(".post-publish-panel__postpublish-header a")

    def post(self, title: str) -> int:
        """Publishes a post without a text by the interface that the editor uses, from the page that is open, which is
        one of the editor's; returns its number."""
        call = f"{{path: '/wp/v2/posts', method: 'POST', data: {{title: {json.dumps(title)}, status: 'publish'}}}}"
        return int(str(self._api(f"wp.apiFetch({call}).then(made => made.id)")))

    def look_at(self, path: str) -> str:
        """What a page of the site says, without leaving the one that is open; its status has to be 200."""
        fetched = f"fetch({json.dumps(path)}).then(answer => answer.text().then(text => answer.status + ' ' + text))"
        status, _, text = str(self._api(fetched)).partition(" ")
        assert status == "200", f"{status}: {text[:1000]}"
        return text

    def open_editor(self, url: str) -> None:
        """Begins a new post."""
        self.open(f"{url}/wp-admin/post-new.php")

    def logged_in_as(self) -> str:
        """Who the page says that we are: the account's name in the bar above it, or nothing."""
        found = self._driver.find_elements(By.CSS_SELECTOR, "#wp-admin-bar-my-account .display-name")
        return str(found[0].get_attribute("textContent")) if found else ""

    # --- any page ---

    @property
    def _wait(self) -> WebDriverWait[webdriver.Chrome]:
        # Between two pages an element may be found and be gone.
        return WebDriverWait(self._driver, DEADLINE, ignored_exceptions=[StaleElementReferenceException])

    def open(self, url: str) -> None:
        self._driver.get(url)

    @property
    def address(self) -> str:
        return str(self._driver.current_url)

    @property
    def title(self) -> str:
        return str(self._driver.title)

    @property
    def text(self) -> str:
        """What the page says, once it has been loaded."""
        self._wait.until(lambda driver: driver.execute_script("return document.readyState") == "complete")
        return str(self._find("body").text)

    def type(self, selector: str, text: str) -> None:
        field = self._wait.until(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector)))
        field.clear()
        field.send_keys(text)

    def click(self, selector: str) -> None:
        self._wait.until(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector))).click()

    def see_picture(self, name: str) -> None:
        """Waits until the page shows a picture whose URL holds that text: loaded, not only named."""
        script = "return [...document.images].some(i => i.src.includes(arguments[0]) && i.naturalWidth)"
        self._wait.until(lambda driver: driver.execute_script(script, name), f"the picture {name} has not been loaded")

    def screenshot(self, name: str) -> None:
        """A picture of the window, for docs/pictures, where the variable SCREENSHOTS names a folder for it."""
        if folder := os.environ.get("SCREENSHOTS"):
            self._driver.save_screenshot(str(Path(folder, f"{name}.png")))

    def _find(self, selector: str) -> webdriver.remote.webelement.WebElement:
        return self._wait.until(expected_conditions.presence_of_element_located((By.CSS_SELECTOR, selector)))

    def _api(self, script: str) -> object:
        """What a call of WordPress's own interface gives."""
        # Before the page is whole the function is there, but has not been told where the site's interface is.
        ready = "return document.readyState == 'complete' && !!(window.wp && wp.apiFetch)"
        self._wait.until(lambda driver: driver.execute_script(ready))
        both = f"{script}.then(value => [value, null], error => [null, JSON.stringify(error)])"
        value, error = self._driver.execute_async_script(f"{both}.then(arguments[arguments.length - 1])")
        assert error is None, error
        return value
