"""Does the harness see what a person sees: cells run, a slider moved by keyboard, no request leaving the machine?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser_lab import Browser, Opened
from build_notebooks import from_source, serialise

pytestmark = [pytest.mark.browser, pytest.mark.nightly]  # test_browser_gate.py drives the same in the default tier

SMALL = """\
# %% [markdown]
# # Does it move?

# %%
import ipywidgets
from mlops_lab.teaching.checks import check, quiz

said = ipywidgets.HTML("<p role='status'>threshold 5</p>")
slider = ipywidgets.IntSlider(value=5)


def update(change):
    said.value = f"<p role='status'>threshold {change['new']}</p>"


slider.observe(update, names="value")
ipywidgets.VBox([slider, said])

# %%
wind = ...
check("01.1", wind)

# %%
quiz("01.q1")
"""

FAULTY = """\
# %% [markdown]
# # What is wrong?

# %%
from IPython.display import HTML, Javascript

HTML('<img src="https://example.com/x.png"><a href="#"></a>')

# %%
Javascript("console.error('planted')")

# %%
1 / 0
"""


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("small")
    for name, source in {"small": SMALL, "faulty": FAULTY}.items():
        (folder / f"{name}.ipynb").write_bytes(serialise(from_source(source)))
    return browser_over(folder)


@pytest.fixture(scope="module")
def small(browser: Browser) -> Iterator[Opened]:
    with browser.open("small.ipynb") as opened:
        assert opened.run_all() == []
        yield opened


def test_a_slider_moved_by_keyboard_changes_the_text(small: Opened) -> None:
    from playwright.sync_api import expect

    output = small.output(1)
    expect(output.get_by_role("status")).to_have_text("threshold 5")

    output.get_by_role("slider").focus()
    small.page.keyboard.press("ArrowRight")

    expect(output.get_by_role("status")).to_have_text("threshold 6")


def test_a_quiz_answers_a_choice(small: Opened) -> None:
    from playwright.sync_api import expect

    output = small.output(3)

    output.get_by_role("radio").nth(1).check()

    expect(output.get_by_role("status")).to_contain_text("Right:")


def test_the_checks_own_output_is_accessible(small: Opened) -> None:
    small.output(2).get_by_text("01.1 not attempted").wait_for()

    assert small.accessibility(".lab-verdict") == []
    assert small.accessibility(".lab-feedback") == []
    assert small.accessibility(".widget-radio") == []


def test_a_picture_shows_the_whole_notebook(small: Opened, tmp_path: Path) -> None:
    picture = small.picture(tmp_path / "small.png")

    assert picture.stat().st_size > 10_000


def test_nothing_left_the_machine_and_nothing_was_complained_of(small: Opened) -> None:
    assert (small.outside, small.complaints) == ([], [])


def test_planted_faults_are_seen(browser: Browser) -> None:
    with browser.open("faulty.ipynb") as opened:
        errors = opened.run_all()
        opened.output(1).locator("img").wait_for(state="attached")

        assert errors == ["ZeroDivisionError: division by zero"]
        assert set(opened.outside) == {"https://example.com/x.png"}  # an output that is drawn again asks again
        assert any("planted" in complaint for complaint in opened.complaints)
        assert any(found.startswith("link-name (serious)") for found in opened.accessibility())
