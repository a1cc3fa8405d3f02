"""Can everybody read every notebook's page: axe, in light and in dark, and headings in order?

By default the first notebook, the one on the gate, and the teacher's; all of them with
MLOPS_LAB_TEST_ENGINES=accessibility, or as a table: python scripts/axe_table.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from axe_table import THEMES, examine, pages, reading
from browser_lab import find_chromium

pytestmark = pytest.mark.browser
ALL = "accessibility" in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
CHOSEN = [path for path in pages() if ALL or path.name[:2] in ("00", "03") or path.parent.name == "teacher"]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with reading() as opened:
        yield opened


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
def test_axe_finds_nothing_of_ours_in_light_or_dark(path: Any, page: Any) -> None:
    found = [examine(page, path, theme) for theme in THEMES]

    assert [one.violations for one in found] == [(), ()]
    assert all(one.nodes > 50 for one in found)
    levels = page.locator("h1, h2, h3, h4").evaluate_all("heads => heads.map(head => Number(head.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_a_planted_fault_is_seen(page: Any, tmp_path: Any) -> None:
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    grey = "<p style='color:#bbb;background:#fff'>grey</p><img src='data:,'>"
    output = new_output("display_data", {"text/html": grey})
    path = tmp_path / "planted.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1", outputs=[output])]), path)

    told = " ".join(examine(page, path, "light").violations)

    assert "color-contrast" in told
