"""Slides without a kernel: one idea each, letters of 24 px and more, notes, and a PDF with a page a slide."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
import static_slides
from browser_lab import find_chromium
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

NOTEBOOKS = sorted((static_slides.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def said(text: str, code: str = "1") -> nbformat.NotebookNode:
    return new_code_cell(code, outputs=[new_output("execute_result", {"text/plain": text})])


def test_a_slide_has_a_heading_a_sentence_one_picture_and_notes() -> None:
    cells = [
        new_markdown_cell("# Why <now>?\n\nOne **idea**. It has more than forty letters in all. And another."),
        said("0.641", code="auc < 1"),
        new_markdown_cell("Try it."),
        said("01.1 not attempted", code='wind = ...\ncheck("01.1", wind)'),
        said("00.p1 Which?\n  (a) this\n  (b) that\nRun this cell.", code='predict("00.p1")'),
    ]

    first, second = static_slides.slides_of(new_notebook(cells=cells))

    assert first[:3] == (
        "Why <now>?",
        "One <strong>idea</strong>. It has more than forty letters in all.",
        "<pre>0.641</pre>",
    )
    assert "And another." in first[3]
    assert "auc &lt; 1" in first[3]
    assert second[2] == "<p><strong>Which?</strong></p><p>(a) this</p><p>(b) that</p>"
    assert "<h1>Why &lt;now&gt;?</h1>" in static_slides.page(new_notebook(cells=cells))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_has_slides_that_need_nothing_else(path: Path) -> None:
    page = static_slides.page(nbformat.read(path, as_version=4))

    assert page.count("<section") > 8
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "not attempted" not in page


@pytest.mark.nightly
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium here")
def test_letters_are_large_and_the_pdf_has_a_page_a_slide(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    static_slides.main(["01", "--to", str(tmp_path)])

    html = tmp_path / "01_feature_views.html"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        opened = browser.new_page(viewport={"width": 1280, "height": 720})
        opened.goto(html.as_uri())
        sizes = opened.evaluate(
            """() => [...document.querySelectorAll('section *:not(svg, svg *, style)')]
                .filter(one => one.textContent.trim()).map(one => parseFloat(getComputedStyle(one).fontSize))"""
        )
        browser.close()
    pages = len(re.findall(rb"/Type\s*/Page\b", html.with_suffix(".pdf").read_bytes()))
    assert min(sizes) >= 24
    assert pages == html.read_text("utf-8").count("<section")


CUT = "() => [...document.querySelectorAll('section')].filter(one => one.scrollHeight > one.clientHeight + 2).length"


@pytest.mark.slow
@pytest.mark.skipif(find_chromium() is None, reason="no Chromium here")
def test_no_slide_is_cut_at_its_lower_edge() -> None:
    from playwright.sync_api import sync_playwright

    pages = {path.stem: static_slides.page(nbformat.read(path, as_version=4)) for path in NOTEBOOKS}
    pages["planted"] = static_slides.page(new_notebook(cells=[new_markdown_cell("# Why?"), said("line\n" * 8)]))
    pages["planted"] = pages["planted"].replace("line\n", "line<br><br><br><br>\n")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium())
        opened = browser.new_page(viewport={"width": 1280, "height": 720})
        cut = {}
        for name, page in pages.items():
            opened.set_content(page)
            cut[name] = opened.evaluate(CUT)
        browser.close()

    assert cut == dict.fromkeys(pages, 0) | {"planted": 1}


def test_a_long_table_keeps_the_rows_that_failed() -> None:
    rows = "".join(f"<tr><td>{'lab-bad' if n == 9 else n}</td></tr>" for n in range(12))
    table = f"<table><tbody>{rows}</tbody></table>"
    cells = [
        new_markdown_cell("# Why?"),
        new_code_cell("1", outputs=[new_output("display_data", {"text/html": table})]),
    ]

    (slide,) = static_slides.slides_of(new_notebook(cells=cells))

    assert slide[2] == "<table><tbody><tr><td>lab-bad</td></tr><tr><td colspan=9>… 11 more</td></tr></tbody></table>"
    assert table in slide[3]
