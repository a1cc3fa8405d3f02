"""Does the gate work in a browser that is all there is, and does it share its code with the course?

`python start.py test-engines playground` builds the page from packages and opens it in Chromium, every other host
blocked; .github/workflows/lite.yml does so before it publishes, and says in MLOPS_LAB_PLAYGROUND where the page is to
stay. What runs by default proves that the code behind the page needs nothing a browser lacks.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
LITE = ROOT / "notebooks" / "lite"
ASKED = "playground" in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
PATIENCE = 240_000  # milliseconds; an idle machine needs fifteen seconds

# What is compiled and has no wheel for the browser, and what needs programs or sockets.
ABSENT = ("numpy", "pandas", "pyarrow", "sklearn", "scipy", "matplotlib", "skops", "graphviz_pure", "rich")

CELLS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import os
os.environ["PATH"] = ""
import types, ipywidgets, traitlets

class Picture(ipywidgets.HTML):
    dot_source = traitlets.Unicode()

sys.modules["graphviz_anywidget"] = types.SimpleNamespace(GraphvizAnyWidget=Picture)
{cells}
panel = PlaygroundPanel(measured, picture=Picture())
print(repr(panel))
panel.set(model="daily_averages")
print(repr(panel)[:60])
print("state-failed" in panel.picture.dot_source, panel.name.name)
"""


def cells() -> list[str]:
    notebook = json.loads((LITE / "content" / "gate.ipynb").read_text("utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_notebooks_cells_need_nothing_that_a_browser_lacks(tmp_path: Path) -> None:
    code = CELLS.replace("{absent}", repr(set(ABSENT))).replace("{cells}", "\n".join(cells()))

    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout.splitlines()
    assert told[0].startswith("as_known        AUC 0.734 offline, 0.734 as served")
    assert told[-3:] == [
        "The evaluation gate, in your browser: ✓ the gate passed: all 11 rules hold",
        "The evaluation gate, in your browser: ✗ the gate refused: 6 ",
        "True DAG flights, run of 2013-03-20 00:00 UTC: failed",
    ]
    assert json.loads((tmp_path / "hand_in.json").read_text("utf-8"))


def test_every_exercise_of_the_page_can_be_solved_without_what_a_browser_lacks(tmp_path: Path) -> None:
    asked = re.findall(r'check\("([^"]+)"', "\n".join(cells()))
    lines = ["from mlops_lab.teaching.checks import check, find_exercise"]
    for entry in asked:
        lines.append(f"one = find_exercise({entry!r})\nexec(one.setup + '\\n' + one.solution)")
        lines.append("print(check(one.id, eval(one.answer)).status)")
    code = CELLS.replace("{absent}", repr(set(ABSENT))).split("{cells}")[0] + "\n".join(lines)

    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "MLOPS_LAB_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)

    assert done.stdout.split() == ["passed"] * len(asked), done.stderr[-2000:]
    assert len(asked) >= 6


def test_the_page_is_configured_to_ask_nobody():
    config = json.loads((LITE / "jupyter-lite.json").read_text("utf-8"))["jupyter-config-data"]

    kernel = config["litePluginSettings"]["@jupyterlite/pyodide-kernel-extension:kernel"]
    assert kernel["disablePyPIFallback"] is True


class Files(http.server.SimpleHTTPRequestHandler):
    """The page's folder over HTTP, as any web server would give it."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the browser may go while it is answered
            super().handle()

    extensions_map: ClassVar[dict[str, str]] = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
    }

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not ASKED:
        pytest.skip("python start.py test-engines playground builds it and opens it")
    out = Path(os.environ.get("MLOPS_LAB_PLAYGROUND") or tmp_path_factory.mktemp("playground") / "page")
    if not out.exists():
        if shutil.which("npm") is None:
            pytest.skip("no npm on this machine, which has Pyodide; on Debian: apt-get install npm")
        build = [sys.executable, str(ROOT / "scripts" / "build_playground.py"), str(out)]
        done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    assert sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) < 120e6
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(out)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.browser
def test_it_starts_with_every_other_host_blocked_and_the_gate_turns_red(address: str) -> None:
    from browser_lab import Opened, find_chromium
    from playwright.sync_api import expect, sync_playwright

    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    outside: list[str] = []

    def judge(route: Any) -> None:
        if route.request.url.startswith((f"{address}/", "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium())
        context = chromium.new_context(viewport={"width": 1300, "height": 1500}, reduced_motion="reduce")
        context.route("**/*", judge)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/")
        page.wait_for_url("**/notebooks/index.html?path=gate.ipynb")
        page.goto(f"{address}/lab/index.html?path=gate.ipynb")
        page.wait_for_function("() => window.jupyterapp !== undefined")
        errors = page.evaluate(
            """async () => {
                const app = window.jupyterapp;
                await app.restored;
                const panel = await app.commands.execute('docmanager:open', {path: 'gate.ipynb', factory: 'Notebook'});
                await panel.context.ready;
                await panel.sessionContext.ready;
                await panel.sessionContext.session.kernel.info;
                await app.commands.execute('notebook:run-all-cells');
                return panel.content.widgets.flatMap(cell => cell.model.type !== 'code' ? [] :
                    cell.model.sharedModel.getOutputs().filter(output => output.output_type === 'error')
                        .map(output => output.ename + ': ' + output.evalue));
            }"""
        )
        assert errors == []
        assert page.locator(".lab-panel").count() == 4, "gate, registry, retries and matrix"
        gate = page.locator(".lab-panel").first
        verdict = gate.get_by_role("status")
        expect(verdict).to_contain_text("the gate passed: all 11 rules hold", timeout=PATIENCE)
        expect(page.locator(".lab-panel svg #task-gate")).to_have_class("node task state-success", timeout=PATIENCE)
        drawn = gate.get_by_role("img", name=re.compile("^DAG flights, run of "))
        expect(drawn).to_have_attribute("aria-label", re.compile(": success$"), timeout=PATIENCE)

        gate.get_by_role("combobox", name="model").select_option("daily_averages")

        expect(verdict).to_contain_text("the gate refused", timeout=PATIENCE)
        expect(page.locator(".lab-panel svg #task-gate")).to_have_class("node task state-failed", timeout=PATIENCE)
        expect(drawn).to_have_attribute("aria-label", re.compile(": failed$"), timeout=PATIENCE)
        for theme, light in (("Dark", "false"), ("Light", "true")):
            change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
            page.evaluate(change, f"JupyterLab {theme}")
            page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
            assert Opened(page).accessibility(".jp-RenderedMarkdown, .jp-OutputArea-output") == []
        if pictures := os.environ.get("MLOPS_LAB_PICTURES"):
            page.screenshot(path=f"{pictures}/playground.png")
        context.unroute_all(behavior="ignoreErrors")
        chromium.close()
    assert outside == []
