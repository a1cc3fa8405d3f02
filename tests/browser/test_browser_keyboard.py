"""Can a whole lesson be taken without a mouse: open, run, do an exercise, move every widget, turn the gate red?"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_lab import Browser
from build_notebooks import from_source, serialise

pytestmark = pytest.mark.browser
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "03_evaluation_gate.ipynb"
PATIENCE = 240_000  # milliseconds; an idle machine needs thirty seconds for the whole lesson

WATCH_THE_MOUSE = """() => {
    window.byMouse = [];
    for (const name of ['mousedown', 'pointerdown', 'wheel', 'touchstart', 'dblclick'])
        document.addEventListener(name, event => window.byMouse.push(event.type), true);
}"""
OPENED = """name => {
    const panel = window.jupyterapp.shell.currentWidget;
    if (!panel || !panel.context || panel.context.path !== name || !panel.sessionContext.isReady) return false;
    window.labPanel = panel;
    return Boolean(panel.sessionContext.session && panel.sessionContext.session.kernel);
}"""
RAN = """() => window.labPanel.content.widgets.every(
    cell => cell.model.type !== 'code' || cell.model.executionState === 'idle' && cell.model.executionCount)"""
WIDGETS = ".jp-OutputArea-output input, .jp-OutputArea-output select, .jp-OutputArea-output button"
# Every control of the lesson, and the one that has the focus. The radio buttons of ipywidgets are each a stop of Tab.
CONTROLS = f"""() => {{
    window.controls = [...window.labPanel.node.querySelectorAll('{WIDGETS}')];
    return window.controls.map(one => [one.tagName, one.type].join(' '));
}}"""
FOCUS = "() => window.controls.indexOf(document.activeElement)"
HOLDER = "place => window.labPanel.content.widgets.findIndex(one => one.node.contains(window.controls[place]))"
VALUE = """() => {
    const one = document.activeElement;
    return ['radio', 'checkbox'].includes(one.type) ? one.checked : one.value;
}"""
KEYS = {
    "INPUT range": "ArrowRight",
    "SELECT select-one": "ArrowDown",
    "INPUT checkbox": "Space",
    "INPUT radio": "Space",
}


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(NOTEBOOK, folder)
    (folder / "before.ipynb").write_bytes(serialise(from_source("# %%\n1\n")))
    return browser_over(folder)


class Hands:
    """A learner's two hands on the keyboard; what is looked at is looked at by eye."""

    def __init__(self, page: Any) -> None:
        self.page, self.press = page, page.keyboard.press

    def at(self) -> int:
        return int(self.page.evaluate("() => window.labPanel.content.activeCellIndex"))

    def cell(self, words: str) -> int:
        found = (
            "words => window.labPanel.content.widgets.findIndex(one => one.model.sharedModel.source.includes(words))"
        )
        return int(self.page.evaluate(found, words))

    def go(self, cell: int) -> None:
        """Walk to a cell with the arrows, as one does between cells."""
        self.press("Escape")
        while (here := self.at()) != cell:
            step = 1 if cell > here else -1
            self.press("ArrowDown" if step > 0 else "ArrowUp")
            self.page.wait_for_function(f"() => window.labPanel.content.activeCellIndex === {here + step}")

    def tab_to(self, control: int) -> None:
        """Press Tab, from where one is, until the control has the focus."""
        for _ in range(60):
            if self.page.evaluate(FOCUS) == control:
                return
            self.press("Tab")
        raise AssertionError(f"Tab does not lead to control {control}")


@pytest.mark.nightly
def test_a_whole_lesson_by_keyboard_alone(browser: Browser) -> None:
    from playwright.sync_api import expect

    with browser.open("before.ipynb") as opened:
        page, keyboard = opened.page, opened.page.keyboard
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        page.evaluate(WATCH_THE_MOUSE)
        page.evaluate("() => window.labPanel.content.activate()")
        hands = Hands(page)

        keyboard.press("Control+Shift+C")
        expect(page.locator(".lm-CommandPalette-input")).to_be_focused()
        keyboard.type("Open from Path")
        expect(page.locator(".lm-CommandPalette-item.lm-mod-active")).to_contain_text("Open from Path")
        keyboard.press("Enter")
        expect(page.locator(".jp-Dialog input")).to_be_focused()
        keyboard.type(NOTEBOOK.name)
        keyboard.press("Enter")
        page.wait_for_function(OPENED, arg=NOTEBOOK.name)
        page.wait_for_function("() => document.activeElement.closest('.jp-NotebookPanel') === window.labPanel.node")

        cells = int(page.evaluate("() => window.labPanel.content.widgets.length"))
        hands.go(0)
        for place in range(cells - 1):
            keyboard.press("Shift+Enter")
            page.wait_for_function(f"() => window.labPanel.content.activeCellIndex === {place + 1}")
        keyboard.press("Control+Enter")
        page.wait_for_function(RAN)

        exercise = hands.cell('check("03.1"')
        answer = page.locator(".jp-NotebookPanel:visible .jp-Cell").nth(exercise).locator(".jp-OutputArea")
        expect(answer).to_contain_text("not attempted")
        hands.go(exercise)
        keyboard.press("Enter")
        keyboard.press("Control+A")
        keyboard.type('said = "yes"\ncheck("03.1", said)')
        keyboard.press("Shift+Enter")
        expect(answer).to_contain_text("✓ 03.1")

        kinds = page.evaluate(CONTROLS)
        assert {*KEYS, "BUTTON submit"} == set(kinds), kinds
        resets = []
        for place, kind in enumerate(kinds):
            cell = int(page.evaluate(HOLDER, place))
            if cell != hands.at():
                hands.go(cell)
            hands.tab_to(place)
            if kind == "BUTTON submit":
                resets.append(place)
                continue
            before = page.evaluate(VALUE)
            keyboard.press(KEYS[kind])
            assert page.evaluate(VALUE) != before, f"{kind} {place} does not move"

        panel = page.locator(".jp-NotebookPanel:visible .lab-panel")
        verdict, gate = panel.get_by_role("status"), panel.locator("#task-gate")
        keyboard.press("Enter")  # the last control is the button Reset, and it has the focus
        expect(verdict).to_contain_text("the gate passed: all 11 rules hold")
        hands.go(hands.cell("GatePanel({"))
        hands.tab_to(kinds.index("INPUT range"))
        keyboard.press("End")
        expect(verdict).to_contain_text("below the floor of 0.900")
        expect(gate).to_have_class(re.compile("state-failed"))
        expect(panel.locator("#task-promote")).to_have_class(re.compile("state-upstream_failed"))
        hands.tab_to(resets[-1])
        keyboard.press("Enter")
        expect(verdict).to_contain_text("the gate passed: all 11 rules hold")
        expect(gate).to_have_class(re.compile("state-success"))

        assert page.evaluate("() => window.byMouse") == []
        assert opened.accessibility() == []
        assert (opened.outside, opened.complaints) == ([], [])
