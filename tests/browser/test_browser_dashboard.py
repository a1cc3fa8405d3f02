"""Does the dashboard stand on a projector: every tab, light and dark, by keyboard, nothing fetched from elsewhere?"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from browser_lab import find_chromium
from contrast import measure
from dashboard import command, variables

from mlops_lab.teaching.panels.dashboard import LESSONS

pytestmark = [pytest.mark.browser, pytest.mark.nightly]  # the gate's panels are driven in every run
PATIENCE = 120  # seconds; an idle machine needs ten


@dataclass
class Page:
    """The dashboard in a browser, and what it asked of other machines or complained of."""

    page: Any
    address: str
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def show(self) -> None:
        self.page.goto(self.address, timeout=PATIENCE * 1000)
        self.page.locator(".lab-dashboard .lab-panel").wait_for(timeout=PATIENCE * 1000)

    def violations(self) -> list[str]:
        """All that axe finds on the whole page, of any weight, and what stands out too little."""
        import axe_playwright_python

        script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        self.page.evaluate(script)
        found = self.page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
        contrast = measure(self.page, ".lab-dashboard", furniture=".nobody")
        assert contrast.text.count > 10, "nothing was measured"
        told = [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:120]}" for one in found]
        return [*told, *contrast.text.faults, *contrast.line.faults]


@pytest.fixture(scope="module", params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def address(theme: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    if importlib.util.find_spec("voila") is None:
        pytest.skip("Voilà is not installed; python start.py demo installs it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("voila") / "log"
    with log.open("w") as file:
        words = command(["--no-browser", f"--port={port}", *(["--dark"] if theme == "dark" else [])], kernels=1)
        server = subprocess.Popen(words, env=variables(), stdout=file, stderr=file)
    try:
        _await(server, f"http://127.0.0.1:{port}/voila/static/nothing", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)  # noqa: S310 - this machine's own server
        except urllib.error.HTTPError:  # it answers
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"Voilà did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture(scope="module")
def shown(address: str) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium())
        context = chromium.new_context(viewport={"width": 1600, "height": 900}, reduced_motion="reduce")
        page = Page(context.new_page(), address)
        page.page.set_default_timeout(60_000)

        def judge(route: Any) -> None:
            if route.request.url.startswith((f"{address}/", "data:")):
                route.continue_()
            else:
                page.outside.append(route.request.url)
                route.abort()

        context.route("**/*", judge)
        page.page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page
        chromium.close()


def test_every_tab_opens_for_everybody_and_the_gate_turns_red_by_keyboard(theme: str, shown: Page) -> None:
    from playwright.sync_api import expect

    shown.show()
    tabs, panel = shown.page.locator(".lab-tabs button"), shown.page.locator(".lab-panel")
    expect(tabs).to_have_text([one.name for one in LESSONS])
    found = {}

    for lesson in LESSONS:
        tabs.get_by_text(lesson.name, exact=True).click()
        expect(shown.page.get_by_role("heading", level=2)).to_have_text(lesson.question)
        expect(panel).to_have_count(1)
        expect(panel.get_by_role("status")).to_be_visible()
        found[lesson.name] = shown.violations()

    assert found == {one.name: [] for one in LESSONS}
    assert shown.page.locator("body").evaluate("body => body.dataset.jpThemeLight") == str(theme == "light").lower()

    keyboard, verdict = shown.page.keyboard, shown.page.get_by_role("status")
    tabs.get_by_text("Gate", exact=True).focus()
    keyboard.press("Enter")
    expect(verdict).to_contain_text("the gate passed")
    assert float(verdict.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")) >= 20
    shown.page.get_by_role("slider", name="floor", exact=True).focus()
    keyboard.press("End")
    expect(verdict).to_contain_text("the gate refused")
    assert (shown.outside, shown.complaints) == ([], [])


def test_it_listens_on_this_machine_only() -> None:
    assert "--Voila.ip=127.0.0.1" in command([])
    assert "--theme=dark" in command(["--dark", "--port=1"])
