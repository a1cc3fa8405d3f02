"""Can a whole lesson be taken without a mouse: run every cell, reach the panel, move it, read what it says?"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_lab import Browser

pytestmark = pytest.mark.browser
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "06_ci_gating.ipynb"

# How far the notebook has been run: the cells with a result of this kernel, and those that failed unasked.
RAN = """() => window.labPanel.content.widgets.filter(
    cell => cell.model.type === 'code' && cell.model.executionCount).length"""
FOCUS = """() => {
    const here = document.activeElement;
    const label = here.closest('label') || document.querySelector(`label[for="${here.id}"]`);
    return [here.tagName, here.type || '', (label ? label.textContent : here.textContent).trim()].join('|');
}"""


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(NOTEBOOK, folder)
    return browser_over(folder)


def test_a_whole_lesson_by_keyboard_alone(browser: Browser) -> None:
    from playwright.sync_api import expect

    with browser.open("06_ci_gating.ipynb") as opened:
        page, keyboard = opened.page, opened.page.keyboard
        cells = page.evaluate("() => window.labPanel.content.widgets.length")
        code = page.evaluate("() => window.labPanel.content.widgets.filter(one => one.model.type === 'code').length")
        page.evaluate("() => window.labPanel.content.activate()")
        keyboard.press("Escape")
        for place in range(cells - 1):
            keyboard.press("Shift+Enter")
            page.wait_for_function(f"() => window.labPanel.content.activeCellIndex === {place + 1}")
        keyboard.press("Control+Enter")
        page.wait_for_function(f"() => ({RAN})() === {code}", timeout=240_000)
        panel = page.locator(".lab-panel").filter(has=page.get_by_role("combobox", name="who answers"))
        verdict = panel.get_by_role("status")
        expect(verdict).to_contain_text("production asks for a review by one of ada, grace", timeout=240_000)

        page.evaluate(
            """() => {
                const panel = window.labPanel.content;
                const shows = cell => cell.model.sharedModel.source.includes('WorkflowPanel(');
                panel.activeCellIndex = panel.widgets.findIndex(shows);
                panel.activate();
            }"""
        )
        seen = []
        for _ in range(40):
            keyboard.press("Tab")
            seen.append(page.evaluate(FOCUS))
            if "days later" in seen[-1]:
                break
        assert "days later" in seen[-1], seen
        keyboard.press("End")
        expect(verdict).to_contain_text("nobody reviewed it within 30 days", timeout=60_000)
        keyboard.press("Home")
        expect(verdict).to_contain_text("production asks for a review", timeout=60_000)
        assert (opened.outside, opened.complaints) == ([], [])
