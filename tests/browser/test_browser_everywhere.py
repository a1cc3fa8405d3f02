"""Can everybody read and use every notebook in JupyterLab itself, all cells run, in light and in dark?

`python start.py test-engines accessibility` runs it and prints the table; that takes minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_table import ROOT, THEMES, examine_in_lab, pages
from browser_lab import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.nightly,
    pytest.mark.skipif(
        "accessibility" not in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(","),
        reason="python start.py test-engines accessibility runs it",
    ),
]


@pytest.fixture(scope="module")
def browser(browser_over: Callable[[Path], Browser]) -> Browser:
    return browser_over(ROOT / "notebooks")


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_a_notebook_in_jupyterlab_is_for_everybody(path: Path, browser: Browser, capsys: Any) -> None:
    with browser.open(path.relative_to(ROOT / "notebooks").as_posix()) as opened:
        opened.run_all()
        found = [examine_in_lab(opened, path.stem, theme) for theme in THEMES]
        opened.shut_down()
    with capsys.disabled():
        print("", *found, sep="\n")

    assert [one.violations for one in found] == [(), ()]
    assert all(one.nodes > 50 and one.contrast.text.count > 10 for one in found)
    assert opened.outside == []
