"""Can everybody read every notebook's page, in light and in dark: axe, names of pictures, headings, measured contrast?

By default the first notebook, the one on the gate, and the teacher's; all of them by `python start.py test-engines
accessibility`, or as a table: python scripts/axe_table.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from axe_table import THEMES, examine, pages, reading
from browser_lab import find_chromium

pytestmark = [pytest.mark.browser, pytest.mark.nightly]
ALL = "accessibility" in os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
CHOSEN = [path for path in pages() if ALL or path.name[:2] in ("00", "03") or path.parent.name == "teacher"]


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine; on Debian: apt-get install chromium")
    with reading() as opened:
        yield opened


@pytest.mark.parametrize("path", CHOSEN, ids=lambda path: path.stem)
def test_nothing_of_ours_keeps_anybody_out_in_light_or_dark(path: Any, page: Any, capsys: Any) -> None:
    found = [examine(page, path, theme) for theme in THEMES]
    if ALL:
        with capsys.disabled():
            print("", *found, sep="\n")

    assert [one.violations for one in found] == [(), ()]
    assert all(one.nodes > 50 and one.contrast.text.count > 4 for one in found)


GREY = "<svg role='img' aria-label='x' width='90' height='90'>{}</svg>"
FAULTS = {
    "color-contrast": "<p style='color:#bbb;background:#fff'>grey</p>",
    "a picture has no name": "<svg width='9' height='9'></svg>",
    'contrast 1.92 < 4.5: "word"': GREY.format(
        "<rect width='90' height='90' fill='#fff'/><text x='9' y='50' fill='#bbb'>word</text>"
    ),
    "contrast 2.99 < 3: line of ": GREY.format(
        "<rect width='90' height='90' fill='#e3f2fb'/><line x1='9' y1='9' x2='80' y2='80' stroke='#009e73'/>"
    ),
    'contrast 1.61 < 4.5: "faint"': GREY.format(
        "<rect width='90' height='90' fill='#fff'/><g opacity='.2'><text x='9' y='50'>faint</text></g>"
    ),
    "headings are not in order": "<h1>one</h1><h3>three</h3>",
}

BY_AXE_TOO = ("color-contrast", "headings are not in order")


@pytest.mark.parametrize("told", FAULTS)
def test_a_planted_fault_is_seen(told: str, page: Any, tmp_path: Any) -> None:
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

    first = [] if "<h1>" in FAULTS[told] else [new_markdown_cell("# What?")]
    output = new_output("display_data", {"text/html": FAULTS[told]})
    path = tmp_path / "planted.ipynb"
    nbformat.write(new_notebook(cells=[*first, new_code_cell("1", outputs=[output])]), path)

    found = examine(page, path, "light").violations

    assert told in " ".join(found)
    assert len(found) == (2 if told in BY_AXE_TOO else 1)
