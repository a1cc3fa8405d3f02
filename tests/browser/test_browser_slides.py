"""Can a teacher show a notebook's own cells as slides, and move a panel in the middle of one?"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import build_slides
import pytest
from browser_lab import Browser
from build_notebooks import from_source, serialise

pytest.importorskip("jupyterlab_slideshow", reason="the slides are shown by the extra teach")
pytestmark = [pytest.mark.browser, pytest.mark.nightly]

LESSON = """\
# %% [markdown]
# # What must be true?

# %% [markdown]
# ## By hand

# %%
print(0.67 > 0.66)

# %% [markdown]
# Write it yourself.

# %%
answer = ...

# %% [markdown]
# ## Try it yourself

# %%
from mlops_lab.models.gates import Floor, GatePolicy, Measured, ServedSkew, SliceFloor
from mlops_lab.teaching.panels import GatePanel

slices = SliceFloor("served.roc_auc", 0.6, slices=["EWR"])
policy = GatePolicy([Floor("served.roc_auc", 0.66), slices, ServedSkew("roc_auc", 0.02)])
figures = {"offline.roc_auc": 0.68, "served.roc_auc": 0.67, "served.roc_auc.EWR": 0.65}
GatePanel({"as_known": Measured(figures)}, policy=policy)

# %% [markdown]
# ## What you can do now
"""


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("slides")
    (folder / "lesson.ipynb").write_bytes(serialise(build_slides.slides(from_source(LESSON))))
    return browser_over(folder)


def test_a_panel_on_a_slide_follows_the_arrow_keys(browser: Browser) -> None:
    from playwright.sync_api import expect

    with browser.open("lesson.ipynb") as opened:
        assert opened.run_all() == []
        page, keyboard = opened.page, opened.page.keyboard
        page.get_by_role("heading", name="What must be true?").click()
        page.locator(".jp-NotebookPanel-toolbar").get_by_role("button", name="Deck").click()
        headings = page.locator(".jp-Deck .jp-deck-mod-visible").get_by_role("heading", level=2)
        panel = page.locator(".jp-Deck .jp-deck-mod-visible .lab-panel")
        expect(page.locator(".jp-deck-mod-visible h1")).to_be_visible()

        keyboard.press("Space")
        expect(headings).to_have_text(re.compile("By hand"))
        expect(page.locator(".jp-deck-mod-visible .jp-OutputArea-output")).to_have_text("True")
        keyboard.press("Space")
        expect(headings).to_have_text(re.compile("Try it yourself"))  # the exercise between them is nobody's slide
        expect(panel.get_by_role("status")).to_contain_text("the gate passed")
        expect(panel).to_be_in_viewport()

        panel.get_by_role("slider", name="floor", exact=True).focus()
        for _ in range(3):
            keyboard.press("ArrowRight")

        expect(panel.get_by_role("status")).to_contain_text("below the floor of 0.675")
        served = panel.get_by_role("combobox", name="served AUC")
        served.focus()
        keyboard.press("ArrowDown")
        expect(served).not_to_have_value("is measured")
        panel.get_by_role("button", name="Reset").focus()
        keyboard.press("Space")
        expect(panel.get_by_role("status")).to_contain_text("the gate passed")
        expect(headings).to_have_text(re.compile("Try it yourself"))  # no key turned the slide
        assert (opened.outside, opened.complaints) == ([], [])
