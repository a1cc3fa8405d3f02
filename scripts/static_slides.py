"""Slides as one HTML page and as PDF, made of a stored notebook: no kernel, no network, no script.

    python scripts/static_slides.py 03 --to build/slides

One idea a slide: a heading, a sentence or two, and one picture or table. What the notebook says besides, and its code,
are the speaker's notes: folded below the slide on the page, and left out of the PDF. Letters are 24 px and more
(in tables on a page of 900 px and less 18, so that no column is cut).
Exercises are left to the learners. The live deck, whose panels move, is made by `build_slides.py`.
"""

from __future__ import annotations

import argparse
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from build_slides import ROOT, is_exercise

__all__ = ["page", "slides_of"]

_LINES = 11
_ELSE = re.compile(r"[|`>\-*] ?|\d+\. ")  # a table, a list, code: no paragraph
_STYLE = """
@page { size: 1280px 720px; margin: 0 }
* { box-sizing: border-box } html { scroll-snap-type: y proximity }
body { margin: 0; font: 28px/1.4 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff }
section { width: 1280px; max-width: 100%; height: 720px; margin: 0 auto; padding: 32px 64px; overflow: hidden;
  scroll-snap-align: start; break-after: page; border-bottom: 1px solid #bbb }
h1 { font-size: 44px; line-height: 1.15; margin: 0 0 20px; color: #005a8e } section.first h1 { margin-top: 120px }
p { margin: 0 0 18px } code { font-family: "DejaVu Sans Mono", monospace; font-size: 26px }
pre { font: 24px/1.35 "DejaVu Sans Mono", monospace; white-space: pre-wrap; margin: 0 }
section svg { display: block; width: 100%; height: auto; max-height: 430px; margin: 0 auto }
section img { max-width: 100%; max-height: 430px }
section table, div.lab-card table.lab-table { font-size: 24px !important; border-collapse: collapse }
section td, section th { padding: 2px 20px 2px 0 !important; text-align: left; border: 0 solid #bbb;
  border-bottom-width: 1px }
div.lab-card { font-size: 24px !important } details { max-width: 1152px; margin: 8px auto 40px; font-size: 24px }
@media screen and (max-width: 900px) { section { height: auto; min-height: 60vh; padding: 24px; overflow-x: auto }
  section.first h1 { margin-top: 40px } h1 { font-size: 34px } section svg { min-width: 560px }
  section table, div.lab-card table.lab-table { font-size: 18px !important }
  section td, section th { padding-right: 12px !important } details { margin-left: 24px } }
@media print { details { display: none } section { border: 0 } }
"""


def slides_of(notebook: nbformat.NotebookNode) -> list[tuple[str, str, str, str]]:
    """Each slide as (heading, sentence, picture, notes), the last three as HTML."""
    found: list[tuple[str, str, str, str]] = []
    heading = idea = notes = ""
    cells = notebook.cells
    for place, cell in enumerate(cells):
        after = cells[place + 1] if place + 1 < len(cells) else None
        if cell.cell_type == "markdown":
            if idea:
                found.append((heading, _told(idea, 200), "", notes))
            title = re.match(r"#+ (.+)", cell.source)
            heading = title.group(1) if title else heading
            text = re.sub(r"^#+ .+$", "", cell.source, flags=re.MULTILINE).strip()
            asks = after is not None and after.cell_type == "code" and is_exercise(after)
            idea = "" if asks else next((one for one in text.split("\n\n") if one and not _ELSE.match(one)), "")
            notes = f"<p>{_inline(text)}</p>"
        elif not is_exercise(cell):
            picture = _picture(cell)
            if picture:
                notes += f"<pre>{escape(cell.source)}</pre>"
                found.append(
                    (heading, _told(idea, 40), _short(picture), notes + picture * (_short(picture) != picture))
                )
                idea = notes = ""
    if idea:
        found.append((heading, _told(idea, 200), "", notes))
    return found


def _short(picture: str) -> str:
    """A table with so many rows as a slide holds: those that failed where there are any, else the first."""
    rows = re.findall(r"<tr\b.*?</tr>", picture.partition("<tbody>")[2], flags=re.DOTALL)
    letters = [len(re.sub("<[^>]*>", "", row)) for row in rows]
    wide = max([row.count("<td") for row in rows] + [one // 25 for one in letters], default=0) > 5
    most = 3 if wide else 5
    if len(rows) <= 2 * most and sum(letters) < 800:
        return picture
    shown = ([row for row in rows if "lab-bad" in row] or rows)[:most]
    left = f"<tr><td colspan=9>… {len(rows) - len(shown)} more</td></tr>"
    return picture.partition("<tbody>")[0] + f"<tbody>{''.join(shown)}{left}</tbody></table>"


def _told(idea: str, least: int) -> str:
    """The first sentences of a paragraph: one, or as many as make `least` letters, where all fit."""
    first, *others = re.split(r"(?<=[.?!:])\s", " ".join(idea.split()))
    for one in others:
        if len(first) >= least or len(first) + len(one) > least + 140:
            break
        first += f" {one}"
    return _inline(first)


def _inline(text: str) -> str:
    """Markdown's letters as HTML: code, bold, italics; links as their words."""
    words = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    words = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(words, quote=False))
    words = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", words, flags=re.DOTALL)
    return re.sub(r"(?<!\w)\*([^*]+)\*(?!\w)", r"<em>\1</em>", words).replace("\n\n", "</p><p>")


def _picture(cell: Any) -> str:
    """The last thing that a cell shows: its drawing, its table, or its first lines."""
    for output in reversed(cell.outputs):
        data = output.get("data", {})
        if "image/svg+xml" in data:
            return str(data["image/svg+xml"])
        if "image/png" in data:
            words = escape(str(data.get("text/plain", "a picture")))
            return f'<img alt="{words}" src="data:image/png;base64,{data["image/png"].strip()}">'
        if "text/html" in data and "<details" not in data["text/html"]:
            return str(data["text/html"])
        text = output.get("text") or data.get("text/plain") or "\n".join(output.get("traceback", []))
        lines = text.rstrip().splitlines()
        if lines and re.match(r"\d\d\.p\d+ ", lines[0]):  # a prediction: the class chooses
            options = "".join(f"<p>{escape(line.strip())}</p>" for line in lines[1:-1])
            return f"<p><strong>{escape(lines[0].partition(' ')[2])}</strong></p>{options}"
        if lines:
            return f"<pre>{escape(chr(10).join(lines[:_LINES]))}{' …' if len(lines) > _LINES else ''}</pre>"
    return ""


def page(notebook: nbformat.NotebookNode) -> str:
    """The slides of a notebook as one page."""
    slides = slides_of(notebook)
    parts = [
        f"<section{' class=first' if not place else ''}><h1>{_inline(heading)}</h1><p>{sentence}</p>{picture}</section>"
        + (f"<details><summary>Notes</summary>{notes}</details>" if notes else "")
        for place, (heading, sentence, picture, notes) in enumerate(slides)
    ]
    title = escape(slides[0][0])
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="which notebooks, by number; all when none is named")
    parser.add_argument("--to", type=Path, default=ROOT / "build" / "slides", help="the folder for the slides")
    options = parser.parse_args(arguments)
    known = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    chosen = [path for path in known if not options.names or path.name[:2] in options.names]
    options.to.mkdir(parents=True, exist_ok=True)
    for path in chosen:
        html = options.to / f"{path.stem}.html"
        html.write_text(page(nbformat.read(path, as_version=4)), encoding="utf-8", newline="\n")
        print(*filter(None, [html, _pdf(html)]), sep="\n")
    return 0 if chosen else 1


def _pdf(html: Path) -> Path | None:
    """The same as PDF, a page a slide, where a Chromium is."""
    from browser_lab import find_chromium

    chromium = find_chromium()
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        try:
            opened = browser.new_page()
            opened.goto(html.resolve().as_uri())
            opened.pdf(path=str(html.with_suffix(".pdf")), prefer_css_page_size=True, print_background=True)
        finally:
            browser.close()
    return html.with_suffix(".pdf")


if __name__ == "__main__":
    sys.exit(main())
