"""What does axe find on every notebook's page, in light and in dark?

    python scripts/axe_table.py [NN ...]

prints one line a notebook and theme: how many rules were kept, how many nodes were looked at, what was found. The page
is the notebook with its stored outputs, as nbconvert writes it; no kernel runs, and nothing is fetched. What Jupyter
brings itself is counted apart: the colours of its prompts and of its code, links told by colour alone; and the empty
corner of a table of pandas.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import axe_playwright_python
import nbformat
from browser_lab import find_chromium

__all__ = ["THEMES", "Found", "examine", "main", "pages", "reading"]

ROOT = Path(__file__).resolve().parents[1]
THEMES = ("light", "dark")
_NOT_OURS = ("link-in-text-block", "empty-table-header")
_LOOK = """async () => {
    const found = await axe.run(document, {resultTypes: ['violations', 'passes'], elementRef: true});
    const ours = node => ({html: node.html,
        furniture: node.element.closest('.highlight, .jp-InputPrompt, .jp-OutputPrompt') !== null});
    return {kept: found.passes.length, nodes: found.passes.reduce((sum, one) => sum + one.nodes.length, 0),
        violations: found.violations.map(one => ({id: one.id, impact: one.impact, nodes: one.nodes.map(ours)}))};
}"""
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")


@dataclass(frozen=True)
class Found:
    """What axe says of one page."""

    name: str
    theme: str
    kept: int
    nodes: int
    violations: tuple[str, ...]
    furniture: int

    def __str__(self) -> str:
        told = "; ".join(self.violations) or "nothing"
        kept = f"{self.kept:>2} rules kept on {self.nodes:>5} nodes"
        return f"{self.name:<24} {self.theme:<5} {kept}, Jupyter's own: {self.furniture:>3}, ours: {told}"


def pages() -> list[Path]:
    """Every notebook of the course, the teacher's too."""
    return sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks" / "teacher").glob("*.ipynb")])


def html(path: Path, theme: str) -> str:
    """The notebook as a page that stands alone."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="lab", theme=theme, embed_images=True)
    exporter.require_js_url = exporter.mathjax_url = exporter.jquery_url = ""
    text, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4))
    return str(text)


@contextmanager
def reading() -> Iterator[Any]:
    """A page in Chromium that reaches nobody."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium())
        page = chromium.new_context(viewport={"width": 1200, "height": 900}, reduced_motion="reduce").new_page()
        page.route("**/*", lambda route: route.abort())
        yield page
        chromium.close()


def examine(page: Any, path: Path, theme: str) -> Found:
    """Open a notebook's page and let axe look at all of it."""
    page.set_content(html(path, theme), wait_until="domcontentloaded")
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(_LOOK)
    violations, furniture = [], 0
    for one in found["violations"]:
        ours = [node["html"] for node in one["nodes"] if one["id"] not in _NOT_OURS and not node["furniture"]]
        furniture += len(one["nodes"]) - len(ours)
        if ours:
            violations.append(f"{one['id']} ({one['impact']}) at {len(ours)}: {ours[0][:200]}")
    return Found(path.stem, theme, found["kept"], found["nodes"], tuple(violations), furniture)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="which notebooks, by number; all when none is named")
    options = parser.parse_args(arguments)
    if find_chromium() is None:
        print("no Chromium on this machine; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    worst = 0
    with reading() as page:
        for path in pages():
            for theme in THEMES if not options.names or path.name[:2] in options.names else ():
                found = examine(page, path, theme)
                worst = max(worst, len(found.violations))
                print(found, flush=True)
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
