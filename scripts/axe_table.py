"""What does axe find in every notebook, in light and in dark, and how far does all stand out from what is behind it?

    python scripts/axe_table.py [NN ...]          the notebooks as pages, with their stored outputs; no kernel runs
    python scripts/axe_table.py --lab [NN ...]    in JupyterLab, all cells run: minutes

prints one line a notebook and theme: how many rules were kept, how many nodes were looked at, the lowest contrast of
words and of drawn lines, what was found in the course's own cells, and by rule what Jupyter brings itself: its
controls, the colours of its prompts and of its code, links told by colour alone; and a pandas table's empty corner.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import axe_playwright_python
import nbformat
from browser_lab import Browser, Opened, find_chromium
from contrast import Contrast, measure

__all__ = ["THEMES", "Found", "examine", "examine_in_lab", "main", "pages", "reading"]

ROOT = Path(__file__).resolve().parents[1]
THEMES = ("light", "dark")
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
_NOT_OURS = ("link-in-text-block", "empty-table-header")
_OURS = ".jp-RenderedMarkdown, .jp-OutputArea-output"
_FURNITURE = ".highlight, .jp-InputPrompt, .jp-OutputPrompt, .jp-RenderedMarkdown pre, [class*=ansi-]"
# The cells have run when their last word is here; what widgets draw comes a little later.
_SETTLED = """() => {
    const before = window.drawnBefore;
    window.drawnBefore = document.querySelectorAll('.jp-OutputArea-output *').length;
    return window.drawnBefore === before;
}"""
_LOOK = """async ([within, furniture]) => {
    const found = await axe.run(document, {resultTypes: ['violations', 'passes'], elementRef: true});
    const ours = node => ({html: node.html,
        ours: node.element.closest(within) !== null && node.element.closest(furniture) === null});
    const named = one => (one.getAttribute('role') === 'img' && one.getAttribute('aria-label')) || one.alt;
    const inside = what => [...document.querySelectorAll(within)].flatMap(area => [...area.querySelectorAll(what)]);
    const told = 'svg, [role=img], [aria-hidden=true]';  // by what is around it
    const pictures = inside('svg, img').filter(one => !one.parentElement.closest(told));
    return {kept: found.passes.length, nodes: found.passes.reduce((sum, one) => sum + one.nodes.length, 0),
        unnamed: pictures.filter(one => !named(one)).map(one => one.outerHTML.slice(0, 120)),
        headings: inside('h1, h2, h3, h4, h5, h6').map(one => Number(one.tagName[1])),
        violations: found.violations.map(one => ({id: one.id, impact: one.impact, nodes: one.nodes.map(ours)}))};
}"""


@dataclass(frozen=True)
class Found:
    """What there is to say of one notebook in one theme."""

    name: str
    theme: str
    kept: int
    nodes: int
    contrast: Contrast
    violations: tuple[str, ...]
    furniture: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        told = "; ".join(self.violations) or "nothing"
        theirs = ", ".join(f"{rule} {count}" for rule, count in self.furniture) or "nothing"
        lowest = f"contrast: words {self.contrast.text}, lines {self.contrast.line}"
        kept = f"{self.kept:>2} rules kept on {self.nodes:>5} nodes; {lowest}"
        return f"{self.name:<18} {self.theme:<5} {kept}; ours: {told}; Jupyter's own: {theirs}"


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
        page.set_default_timeout(120_000)
        page.route("**/*", lambda route: route.abort())
        yield page
        chromium.close()


def examine(page: Any, path: Path, theme: str) -> Found:
    """Open a notebook's page and look at all of it."""
    page.set_content(html(path, theme), wait_until="domcontentloaded")
    return _look(page, path.stem, theme, within="body")


def examine_in_lab(opened: Opened, name: str, theme: str) -> Found:
    """Look at a notebook that is open in JupyterLab, all of it, in a theme."""
    page = opened.page
    opened.choose_theme(theme)
    page.wait_for_function(_SETTLED, polling=3000)
    height = page.evaluate("() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    page.set_viewport_size({"width": 1200, "height": min(int(height) + 200, 16_000)})
    return _look(page, name, theme, within=_OURS)


def _look(page: Any, name: str, theme: str, *, within: str) -> Found:
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(_LOOK, [within, _FURNITURE])
    contrast = measure(page, _OURS, furniture=_FURNITURE)
    ours, theirs = [], []
    for one in found["violations"]:
        mine = [node["html"] for node in one["nodes"] if one["id"] not in _NOT_OURS and node["ours"]]
        if mine:
            ours.append(f"{one['id']} ({one['impact']}) at {len(mine)}: {mine[0][:200]}")
        if len(one["nodes"]) > len(mine):
            theirs.append((one["id"], len(one["nodes"]) - len(mine)))
    ours += [f"a picture has no name: {one}" for one in found["unnamed"]]
    ours += [f"contrast {fault}" for fault in (*contrast.text.faults, *contrast.line.faults)]
    levels = found["headings"]
    if levels[:1] != [1] or levels.count(1) != 1 or any(after - before > 1 for before, after in pairwise(levels)):
        ours.append(f"headings are not in order: {levels}")
    return Found(name, theme, found["kept"], found["nodes"], contrast, tuple(ours), tuple(theirs))


def in_lab(chosen: list[Path]) -> Iterator[Found]:
    """Run the notebooks in JupyterLab, one after the other, and look at each in both themes."""
    with Browser.over(ROOT / "notebooks") as browser:
        for path in chosen:
            with browser.open(str(path.relative_to(ROOT / "notebooks").as_posix())) as opened:
                opened.run_all()
                yield from [examine_in_lab(opened, path.stem, theme) for theme in THEMES]
                opened.shut_down()


def as_pages(chosen: list[Path]) -> Iterator[Found]:
    """Open the notebooks as pages and look at each in both themes."""
    with reading() as page:
        for path in chosen:
            yield from [examine(page, path, theme) for theme in THEMES]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="which notebooks, by number; all when none is named")
    parser.add_argument("--lab", action="store_true", help="in JupyterLab, all cells run")
    options = parser.parse_args(arguments)
    if find_chromium() is None:
        print("no Chromium on this machine; on Debian: apt-get install chromium", file=sys.stderr)
        return 1
    chosen = [path for path in pages() if not options.names or path.name[:2] in options.names]
    worst = 0
    for found in in_lab(chosen) if options.lab else as_pages(chosen):
        worst = max(worst, len(found.violations))
        print(found, flush=True)
    return int(worst > 0)


if __name__ == "__main__":
    sys.exit(main())
