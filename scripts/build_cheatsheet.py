"""The cheat sheet as one page: notebooks/CHEATSHEET.md as HTML, and as PDF where a Chromium is.

    python scripts/build_cheatsheet.py build/cheatsheet

The page is A4, set in three columns, in black on white; it needs no network and no script.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

__all__ = ["SOURCE", "build", "page"]

SOURCE = Path(__file__).resolve().parents[1] / "notebooks" / "CHEATSHEET.md"
_STYLE = """
@page { size: A4 landscape; margin: 9mm }
body { font: 13px/1.42 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto;
       max-width: 277mm }
h1 { font-size: 20px; margin: 0 0 6px; border-bottom: 3px solid #0072b2 }
main { columns: 3; column-gap: 7mm }
h3 { font-size: 15px; margin: 10px 0 3px; color: #005a8e; break-after: avoid }
p { margin: 0 0 4px } table { border-collapse: collapse; margin: 2px 0 4px; break-inside: avoid }
td, th { text-align: left; border-bottom: 1px solid #bbb; padding: 1px 8px 1px 0 }
code { font: 11.5px/1.3 "DejaVu Sans Mono", monospace; background: #eef3f7; padding: 0 2px }
@media screen { body { font-size: 14px; padding: 16px } code { font-size: 13px } h3 { font-size: 16px } }
@media screen and (max-width: 900px) { main { columns: 1 } }
"""


def page(text: str) -> str:
    """The cheat sheet as one HTML page with everything in it."""
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    title, _, rest = text.partition("\n")
    heading = title.removeprefix("# ")
    body = re.sub(r'<a class="anchor-link".*?</a>', "", markdown2html_mistune(rest))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{heading}</h1><main>{body}</main></body></html>\n"
    )


def build(folder: Path) -> list[Path]:
    """Write cheatsheet.html, and cheatsheet.pdf where a Chromium is, to a folder; what was written."""
    from browser_lab import find_chromium

    folder.mkdir(parents=True, exist_ok=True)
    html = folder / "cheatsheet.html"
    html.write_text(page(SOURCE.read_text("utf-8")), encoding="utf-8", newline="\n")
    chromium = find_chromium()
    if chromium is None:
        return [html]
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        try:
            opened = browser.new_page()
            opened.goto(html.resolve().as_uri())
            opened.pdf(path=str(folder / "cheatsheet.pdf"), prefer_css_page_size=True, print_background=True)
        finally:
            browser.close()
    return [html, folder / "cheatsheet.pdf"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the page goes")
    for path in build(parser.parse_args(arguments).folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
