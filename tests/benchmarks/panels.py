"""How long does each panel take to answer a change: without a browser, and in one from a key pressed to a page changed?

    python tests/benchmarks/panels.py                 without a browser
    python tests/benchmarks/panels.py --browser       in JupyterLab, with Chromium

Prints one line a panel, milliseconds. The CPU column counts drawing programs too and says what an idle machine needs.
The canary watches three weeks of real flights, as in the notebook on rollouts.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

PANELS = {
    "gate": """\
from mlops_lab.models.gates import Measured
from mlops_lab.teaching.panels import GatePanel

figures = {"offline.roc_auc": 0.769, "served.roc_auc": 0.769, "served.brier": 0.175, "served.calibration_error": 0.03}
figures |= {f"served.roc_auc.{airport}": 0.76 for airport in ("EWR", "JFK", "LGA")}
leaking = figures | {"offline.roc_auc": 0.896, "served.roc_auc": 0.633}
champion = {"served.roc_auc": 0.76, "served.brier": 0.177}
panel = GatePanel({"July": Measured(figures, champion), "colleague": Measured(leaking, champion)})
""",
    "timeline": """\
from mlops_lab.teaching.panels import JoinTimelinePanel

hours = range(6, 14)
rows = [
    {"event_timestamp": f"2013-07-01T{hour:02}:00Z", "created_timestamp": f"2013-07-01T{hour:02}:50Z", "wind": hour}
    for hour in hours
]
panel = JoinTimelinePanel(rows, decision="2013-07-01T09:45Z", feature="wind")
""",
    "retries": """\
from mlops_lab.teaching.panels import RetriesPanel

panel = RetriesPanel()
""",
    "registry": """\
from mlops_lab.teaching.panels import RegistryPanel

panel = RegistryPanel([0.734, 0.743, 0.622])
""",
    "canary": """\
import numpy as np

from mlops_lab.data.flights import decisions, load_flights, outcomes
from mlops_lab.teaching.panels import CanaryPanel

flights = load_flights(month=12)
asked, known = decisions(flights), outcomes(flights)
truth = known["late"].astype("int8").to_numpy()
noise = np.random.default_rng(0).random((2, len(truth)))
traffic = asked[["flight_id"]].rename(columns={"flight_id": "key"}).assign(
    at=asked["event_timestamp"], known_at=known["event_timestamp"], truth=truth,
    challenger=0.3 * truth + 0.6 * noise[0], champion=0.25 * truth + 0.6 * noise[1],
).head(19_436)
panel = CanaryPanel({"worse": traffic.assign(challenger=noise[0][: len(traffic)]), "as_known": traffic})
""",
}
WATCH = """panel => {
    window.answered = {pressed: null, ms: []};
    panel.addEventListener('keydown', () => { window.answered.pressed = performance.now(); }, true);
    const seen = new MutationObserver(() => {
        if (window.answered.pressed === null) return;
        window.answered.ms.push(performance.now() - window.answered.pressed);
        window.answered.pressed = null;
    });
    const options = {subtree: true, childList: true, characterData: true};
    panel.querySelectorAll('.widget-html-content').forEach(part => seen.observe(part, options));
}"""


def without_browser(source: str, changes: int) -> tuple[list[float], list[float]]:
    """Wall and CPU milliseconds of so many changes, each of one control to a value drawn with a fixed seed."""
    from ipywidgets import DOMWidget

    space: dict[str, Any] = {}
    exec(source, space)  # noqa: S102  the sources above
    panel, chance = space["panel"], random.Random(0)  # noqa: S311  a seeded example, not a secret
    wall, cpu = [], []
    controls = {name: control for name, control in panel.controls.items() if isinstance(control, DOMWidget)}
    for _ in range(changes):
        name = chance.choice(sorted(controls))
        began, used = time.perf_counter(), cpu_seconds()
        panel.set(**{name: other_value(controls[name], chance)})
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (cpu_seconds() - used))
    return wall, cpu


def cpu_seconds() -> float:
    """Of this process, and of the drawing programs it has waited for; those by the system's clock tick."""
    return time.process_time() + sum(os.times()[2:4])


def other_value(control: Any, chance: random.Random) -> Any:
    """A value that the control does not have."""
    if hasattr(control, "low"):
        steps = round((control.high - control.low) / control.step)
        choices = [round(control.low + step * control.step, 9) for step in range(steps + 1)]
    else:
        choices = list(getattr(control, "options", (True, False)))
    return chance.choice([value for value in choices if value != control.value])


def in_browser(changes: int) -> dict[str, list[float]]:
    """Milliseconds from a key pressed to the page changed, panel by panel; keys that change nothing are left out."""
    sys.path.insert(0, str(SCRIPTS))
    from browser_lab import Browser
    from build_notebooks import from_source, serialise
    from playwright.sync_api import TimeoutError as NothingChanged

    cells = "".join(f"# %%\n{source}panel\n\n" for source in PANELS.values())
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "panels.ipynb").write_bytes(serialise(from_source(f"# %% [markdown]\n# # Panels?\n\n{cells}")))
        with Browser.over(Path(folder)) as browser, browser.open("panels.ipynb") as opened:
            for error in opened.run_all():
                raise SystemExit(error)
            for place, name in enumerate(PANELS):
                panel = opened.page.locator(".lab-panel").nth(place)
                panel.locator(".lab-verdict-line").wait_for()
                panel.evaluate(WATCH)
                moved = panel.locator("input[type=range], select, button")
                for number in range(changes):
                    one = moved.nth(number % moved.count())
                    one.focus()
                    arrow = "ArrowUp" if number // moved.count() % 2 else "ArrowDown"
                    opened.page.keyboard.press("Enter" if one.evaluate("each => each.tagName") == "BUTTON" else arrow)
                    try:
                        opened.page.wait_for_function("() => window.answered.pressed === null", timeout=2000)
                    except NothingChanged:
                        opened.page.evaluate("() => { window.answered.pressed = null; }")
                found[name] = opened.page.evaluate("() => window.answered.ms")
    return found


def line(name: str, *columns: list[float]) -> str:
    """A name, the number of changes, then median and maximum of each column."""
    figures = "".join(f"{statistics.median(column):>10.0f}{max(column):>8.0f}" for column in columns)
    return f"{name:<10}{len(columns[0]):>8}{figures}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--browser", action="store_true", help="from a key pressed to a page changed, in JupyterLab")
    parser.add_argument("--changes", type=int, default=60, help="of each panel")
    options = parser.parse_args()
    if options.browser:
        print(f"{'panel':<10}{'changes':>8}{'median':>10}{'max':>8}   ms from key to page")
        for name, milliseconds in in_browser(options.changes).items():
            print(line(name, milliseconds))
        return 0
    print(f"{'panel':<10}{'changes':>8}{'median':>10}{'max':>8}{'CPU med.':>10}{'max':>8}   ms a change")
    for name, source in PANELS.items():
        print(line(name, *without_browser(source, options.changes)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
