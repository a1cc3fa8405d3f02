"""Does the notebook on CI gating run in a real JupyterLab, and does its panel refuse whom it should?"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_lab import Browser

pytestmark = [pytest.mark.browser, pytest.mark.nightly]
NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "06_ci_gating.ipynb"


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser], tmp_path_factory: pytest.TempPathFactory) -> Browser:
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(NOTEBOOK, folder)
    return browser_over(folder)


def test_the_wrong_person_is_refused_the_right_one_is_not_and_the_gate_stops_the_run(browser: Browser) -> None:
    from playwright.sync_api import expect

    with browser.open("06_ci_gating.ipynb") as opened:
        assert opened.run_all() == []
        panel = opened.page.locator(".lab-panel").filter(has=opened.page.get_by_role("combobox", name="who answers"))
        verdict, rollout = panel.get_by_role("status"), panel.locator('[id^="job-promote-rollout"]')
        expect(verdict).to_contain_text("production asks for a review by one of ada, grace")

        panel.get_by_role("combobox", name="who answers").select_option("ada approves")
        expect(verdict).to_contain_text("ada started this run and may not review it")
        panel.get_by_role("combobox", name="who answers").select_option("grace approves")
        expect(verdict).to_contain_text("success")
        expect(rollout).to_have_class(re.compile("state-success"))
        panel.get_by_role("combobox", name="the gate").select_option("refuses")
        expect(verdict).to_contain_text("Process completed with exit code 2.")
        expect(rollout).to_have_count(0)

        panel.get_by_role("button", name="Reset").click()
        panel.get_by_role("slider", name="days later").focus()
        opened.page.keyboard.press("End")
        expect(verdict).to_contain_text("nobody reviewed it within 30 days")
        assert opened.accessibility(".lab-panel") == []
        assert (opened.outside, opened.complaints) == ([], [])
