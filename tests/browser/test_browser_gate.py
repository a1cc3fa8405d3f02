"""Does the course run in a real JupyterLab, and do its panels answer to a keyboard, in light and in dark?"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_lab import Browser, Opened
from build_notebooks import from_source, serialise

pytestmark = pytest.mark.browser
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"

PANELS = """\
# %% [markdown]
# # Do all panels answer?

# %%
from mlops_lab.models.gates import Floor, GatePolicy, Measured, ServedSkew, SliceFloor
from mlops_lab.teaching.panels import GatePanel

slices = SliceFloor("served.roc_auc", 0.6, slices=["EWR"])
policy = GatePolicy([Floor("served.roc_auc", 0.66), slices, ServedSkew("roc_auc", 0.02)])
figures = {"offline.roc_auc": 0.68, "served.roc_auc": 0.67, "served.roc_auc.EWR": 0.65}
GatePanel({"as_known": Measured(figures)}, policy=policy)

# %%
from mlops_lab.teaching.panels import JoinTimelinePanel

JoinTimelinePanel(
    [
        {"name": "a", "event_timestamp": "2013-07-01T08:00Z", "created_timestamp": "2013-07-01T08:20Z", "wind": 8},
        {"name": "b", "event_timestamp": "2013-07-01T09:00Z", "created_timestamp": "2013-07-01T09:50Z", "wind": 15},
    ],
    decision="2013-07-01T09:45Z",
    feature="wind",
)

# %%
from mlops_lab.teaching.panels import RetriesPanel

RetriesPanel()

# %%
from mlops_lab.teaching.panels import RegistryPanel

RegistryPanel([0.76, 0.77, 0.63])

# %%
import pandas as pd
from mlops_lab.teaching.panels import CanaryPanel

at = pd.date_range("2013-12-01", periods=1200, freq="15min", tz="UTC")
keys = [f"flight {number}" for number in range(1200)]
traffic = pd.DataFrame({"key": keys, "at": at, "known_at": at, "truth": 0, "challenger": 0.1, "champion": 0.1})
CanaryPanel({"good": traffic, "leaking": traffic.assign(challenger=0.9)})

# %%
import time
from mlops_lab.teaching.panels.controls import RangeInput, switch
from mlops_lab.teaching.panels.panel import Panel
from mlops_lab.teaching.panels.view import View

class Lagging(Panel):
    def render(self, state):
        time.sleep(0.5)
        return View(f"{state['number']:.0f}, {state['seen']}", "success", "<svg></svg>", "")

Lagging({"number": RangeInput(label="number", low=0, high=9, value=0), "seen": switch("seen")})
"""


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(NOTEBOOKS / "00_start_here.ipynb", folder)
    for name in ("panels", "restarted"):  # a notebook has one kernel, whoever has it open
        (folder / f"{name}.ipynb").write_bytes(serialise(from_source(PANELS)))
    return browser_over(folder)


@pytest.fixture(scope="module")
def panels(browser: Browser) -> Iterator[Opened]:
    with browser.open("panels.ipynb") as opened:
        assert opened.run_all() == []
        opened.page.locator(".lab-panel").nth(5).wait_for()
        yield opened


def press(opened: Opened, panel: int, slider: str, key: str, times: int = 1) -> None:
    opened.page.locator(".lab-panel").nth(panel).get_by_role("slider", name=slider, exact=True).focus()
    for _ in range(times):
        opened.page.keyboard.press(key)


def verdict(opened: Opened, panel: int):
    return opened.page.locator(".lab-panel").nth(panel).get_by_role("status")


@pytest.mark.nightly  # a whole training run in a browser; nbval runs the same cells in the default tier
def test_the_first_notebook_runs_and_is_accessible(browser: Browser) -> None:
    with browser.open("00_start_here.ipynb") as opened:
        assert opened.run_all() == []
        drawn = opened.page.get_by_role("img", name="DAG flights, run of 2014-01-01 00:00 UTC: failed", exact=True)
        assert drawn.count() == 1, "a picture has a name for those who cannot see it"

        assert opened.accessibility() == []
        assert (opened.outside, opened.complaints) == ([], [])


def test_every_control_has_a_name_and_a_role(panels: Opened) -> None:
    inside = panels.page.locator(".lab-panel")

    named = [
        *(inside.nth(0).get_by_role("slider", name=name, exact=True) for name in ("floor", "slice floor")),
        inside.nth(0).get_by_role("combobox", name="served AUC"),
        inside.nth(0).get_by_role("checkbox", name="there is no champion yet"),
        inside.nth(1).get_by_role("slider", name="decision (UTC)"),
        inside.nth(1).get_by_role("slider", name="ttl", exact=True),
        inside.nth(2).get_by_role("checkbox", name="retry_exponential_backoff"),
        inside.nth(3).get_by_role("button", name="Promote"),
        inside.nth(4).get_by_role("combobox", name="weights"),
    ]

    assert [one.count() for one in named] == [1] * len(named)


def test_the_timeline_follows_the_arrow_keys(panels: Opened) -> None:
    from playwright.sync_api import expect

    expect(verdict(panels, 1)).to_contain_text("wind is 8, from row a")

    press(panels, 1, "decision (UTC)", "ArrowRight")

    expect(verdict(panels, 1)).to_contain_text("wind is 15, from row b")


def test_retries_run_out(panels: Opened) -> None:
    from playwright.sync_api import expect

    press(panels, 2, "retries", "ArrowLeft", times=2)

    expect(verdict(panels, 2)).to_contain_text("fetch failed for good after 2 tries")


def test_the_registry_refuses_and_a_list_and_buttons_work(panels: Opened) -> None:
    from playwright.sync_api import expect

    registry = panels.page.locator(".lab-panel").nth(3)
    registry.get_by_role("button", name="Promote").click()
    expect(verdict(panels, 3)).to_contain_text("needs an approval by somebody else")
    registry.get_by_role("button", name="Ask for approval").click()
    registry.get_by_role("combobox", name="who").select_option("grace (a colleague)")
    registry.get_by_role("button", name="Approve", exact=True).click()
    registry.get_by_role("button", name="Promote").click()

    expect(verdict(panels, 3)).to_contain_text("v2 is in Production")


def test_the_canary_is_taken_back(panels: Opened) -> None:
    from playwright.sync_api import expect

    canary = panels.page.locator(".lab-panel").nth(4)
    canary.get_by_role("combobox", name="challenger").select_option("leaking")
    canary.get_by_role("combobox", name="weights").select_option("50, 100 %")

    expect(verdict(panels, 4)).to_contain_text("rolled back after 3 days")


def test_lists_and_buttons_keep_the_keys_that_jupyterlab_would_take(panels: Opened) -> None:
    from playwright.sync_api import expect

    keyboard = panels.page.keyboard
    challenger = panels.page.locator(".lab-panel").nth(4).get_by_role("combobox", name="challenger")
    challenger.select_option("leaking")
    challenger.focus()
    keyboard.press("g")
    expect(challenger).to_have_value("good")
    keyboard.type("dd")  # in command mode: delete the cell
    keyboard.press("ArrowDown")
    expect(challenger).to_have_value("leaking")
    assert panels.page.evaluate("() => window.labPanel.content.widgets.length") == 7

    press(panels, 0, "floor", "ArrowRight", times=10)
    expect(verdict(panels, 0)).to_contain_text("below the floor")
    panels.page.locator(".lab-panel").nth(0).get_by_role("button", name="Reset").focus()
    keyboard.press("Enter")  # in command mode: write in the cell

    expect(verdict(panels, 0)).to_contain_text("the gate passed")
    assert panels.page.evaluate("() => window.labPanel.content.mode") == "command"


def test_a_reset_is_not_undone_by_what_a_slider_held_back(panels: Opened) -> None:
    from playwright.sync_api import expect

    lagging = panels.page.locator(".lab-panel").nth(5)
    press(panels, 5, "number", "ArrowRight", times=5)  # the first is on its way, the others wait for its answer
    lagging.get_by_role("button", name="Reset").focus()
    panels.page.keyboard.press("Enter")
    slider = lagging.get_by_role("slider", name="number", exact=True)
    expect(slider).to_have_attribute("aria-valuetext", "0.000")
    lagging.get_by_role("checkbox", name="seen").check()

    expect(verdict(panels, 5)).to_contain_text("0, True")


@pytest.mark.nightly
def test_a_panel_says_that_its_kernel_is_gone(browser: Browser) -> None:
    from playwright.sync_api import expect

    with browser.open("restarted.ipynb") as opened:
        assert opened.run_all() == []
        press(opened, 2, "retries", "ArrowLeft", times=2)
        expect(verdict(opened, 2)).to_contain_text("failed for good after 2 tries")
        silent = opened.page.locator(".lab-panel").nth(2).get_by_role("alert")
        expect(silent).to_have_count(0)
        opened.page.evaluate("async () => { await window.labPanel.sessionContext.session.kernel.restart(); }")

        press(opened, 2, "retries", "ArrowLeft")

        expect(silent).to_contain_text("The kernel does not answer", timeout=15_000)
        opened.shut_down()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_panels_are_accessible(panels: Opened, theme: str) -> None:
    panels.page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", f"JupyterLab {theme}"
    )
    panels.page.locator(f'body[data-jp-theme-light="{str(theme == "Light").lower()}"]').wait_for(state="attached")

    assert panels.accessibility(".lab-panel") == []


def test_nothing_left_the_machine_and_nothing_was_complained_of(panels: Opened) -> None:
    assert (panels.outside, panels.complaints) == ([], [])
