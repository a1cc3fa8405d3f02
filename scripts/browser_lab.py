"""What does a person see who opens a notebook in JupyterLab?

    python scripts/browser_lab.py 01_feature_views --to pictures/ [--dark] [--run]

takes a picture of each notebook named. The tests in tests/browser drive the same class. JupyterLab runs on this machine
only, over a copy of the notebooks, with settings of its own; every request that would leave the machine is refused and
written down.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab_server import jupyterlab
from notebook_kernel import REPOSITORY

__all__ = ["Browser", "Opened", "find_chromium"]

_OWN_OUTPUT = ".jp-OutputArea-output"


def find_chromium() -> str | None:
    """The Chromium of this machine, or nothing."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@dataclass
class Opened:
    """A notebook open in JupyterLab, with what it asked of other machines and what it complained of."""

    page: Any
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def run_all(self) -> list[str]:
        """Run every cell and wait for the last; the errors that cells raised."""
        self.page.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        return self.page.evaluate(
            """() => window.labPanel.content.widgets.flatMap(cell => cell.model.type !== 'code' ? [] :
                cell.model.sharedModel.getOutputs().filter(output => output.output_type === 'error')
                    .map(output => output.ename + ': ' + output.evalue))"""
        )

    def choose_theme(self, theme: str) -> None:
        """Show everything in `light` or in `dark`."""
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self.page.evaluate(change, f"JupyterLab {theme.title()}")
        self.page.locator(f'body[data-jp-theme-light="{str(theme == "light").lower()}"]').wait_for(state="attached")

    def shut_down(self) -> None:
        """End the notebook's kernel, which would live on after its window."""
        self.page.evaluate("async () => { await window.labPanel.sessionContext.shutdown(); }")

    def output(self, cell: int) -> Any:
        """The outputs of a cell, by its place in the notebook from 0, as a Playwright locator."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea")

    def accessibility(self, within: str = _OWN_OUTPUT) -> list[str]:
        """What axe finds serious or critical in our own output, JupyterLab's own furniture left aside."""
        import axe_playwright_python

        script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        self.page.locator(within).first.wait_for()  # a selector that matches nothing would find nothing, for ever
        self.page.evaluate(script)
        found = self.page.evaluate(
            "async within => (await axe.run({include: [[within]]}, {resultTypes: ['violations']})).violations",
            within,
        )
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:160]}"
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def picture(self, path: Path) -> Path:
        """The whole notebook as one picture, however long it is."""
        height = self.page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
        size = self.page.viewport_size
        self.page.set_viewport_size({"width": size["width"], "height": min(int(height) + 200, 16_000)})
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.locator(".jp-NotebookPanel:visible").screenshot(path=str(path))
        self.page.set_viewport_size(size)
        return path


class Browser:
    """Chromium on one JupyterLab; `open` gives notebooks."""

    def __init__(self, address: str, chromium: Any) -> None:
        self.address = address
        self._chromium = chromium

    @classmethod
    @contextmanager
    def over(cls, notebooks: Path, *, dark: bool = False) -> Iterator[Browser]:
        """JupyterLab and Chromium over a folder of notebooks, both stopped afterwards."""
        from playwright.sync_api import sync_playwright

        with jupyterlab(notebooks, dark=dark) as address, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=find_chromium())
            try:
                yield cls(address, chromium)
            finally:
                chromium.close()

    @contextmanager
    def open(self, name: str) -> Iterator[Opened]:
        """A notebook in a browser window of its own, its kernel ready."""
        context = self._chromium.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
        try:
            page = context.new_page()
            page.set_default_timeout(60_000)
            opened = Opened(page)
            self._listen(context, opened)
            page.goto(self.address)
            page.wait_for_function("() => window.jupyterapp !== undefined")
            page.evaluate(
                """async path => {
                    const app = window.jupyterapp;
                    await app.restored;
                    if (app.shell.leftCollapsed === false) app.shell.collapseLeft();
                    const panel = await app.commands.execute('docmanager:open', {path: path, factory: 'Notebook'});
                    window.labPanel = panel;
                    await panel.revealed;
                    await panel.context.ready;
                    await panel.sessionContext.ready;
                    await panel.sessionContext.session.kernel.info;
                }""",
                name,
            )
            yield opened
        finally:
            context.close()

    def _listen(self, context: Any, opened: Opened) -> None:
        host = urlsplit(self.address).netloc

        def judge(route: Any) -> None:
            url = route.request.url
            if urlsplit(url).netloc == host:
                route.continue_()
            else:
                opened.outside.append(url)
                route.abort()

        def socket_opened(websocket: Any) -> None:
            if urlsplit(websocket.url).netloc != host:
                opened.outside.append(websocket.url)

        def said(message: Any) -> None:
            if message.type == "error":
                opened.complaints.append(f"{message.text} ({(message.location or {}).get('url', '')})")

        context.route("**/*", judge)
        opened.page.on("websocket", socket_opened)
        opened.page.on("console", said)
        opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="notebooks; all when none is named")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "notebooks")
    parser.add_argument("--to", type=Path, required=True, help="the folder for the pictures")
    parser.add_argument("--dark", action="store_true", help="the dark theme")
    parser.add_argument("--run", action="store_true", help="run all cells first, for live widgets")
    options = parser.parse_args()
    if find_chromium() is None:
        print("no Chromium on this machine; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    known = sorted(path.stem for path in options.folder.glob("[0-9][0-9]_*.ipynb"))
    names = [name for name in known if not options.names or any(name.startswith(asked) for asked in options.names)]
    with Browser.over(options.folder, dark=options.dark) as browser:
        for name in names:
            with browser.open(f"{name}.ipynb") as opened:
                for error in opened.run_all() if options.run else []:
                    print(f"{name}: {error}")
                print(opened.picture(options.to / f"{name}{'_dark' if options.dark else ''}.png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
