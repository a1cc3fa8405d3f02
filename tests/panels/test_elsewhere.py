"""What the course shows reads where JupyterLab is not: on GitHub, in VS Code and PyCharm, as a page."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path

import anywidget
import pytest
from IPython.core.formatters import DisplayFormatter

from mlops_lab import DAG, check, draw_dag, plot_bars, predict, quiz, task
from mlops_lab.teaching.panels import controls, playground
from mlops_lab.teaching.panels.gate import GatePanel

ROOT = Path(__file__).resolve().parents[2]
STORED = sorted([*ROOT.glob("notebooks/[0-9]*.ipynb"), *ROOT.glob("notebooks/teacher/[0-9]*.ipynb")])
# What GitHub's sanitiser leaves of a page (github/html-pipeline), as far as we use it; of a style it leaves nothing.
LEFT = {
    *("caption", "code", "details", "div", "em", "figure", "h3", "h4", "img", "li", "ol", "p", "pre", "span", "strong"),
    *("style", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul", "a", "br", "b", "i", "sup", "sub"),
}
DRAWN = {
    *("circle", "clippath", "defs", "ellipse", "g", "line", "path", "pattern", "polygon", "polyline", "rect", "svg"),
    *("text", "title", "tspan", "use"),
}


class Seen(html.parser.HTMLParser):
    """The elements of a page or picture that do not belong there, and the words that stay without any style."""

    def __init__(self, text: str, allowed: set[str]):
        super().__init__()
        self.allowed, self.faults, self.words, self.inside = allowed, [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        if tag not in self.allowed:
            self.faults.append(f"<{tag}>")
        for name, value in attributes:
            loads = name in {"src", "xlink:href", "srcset"} or (name == "href" and tag != "a")
            if name.startswith("on") or (loads and not (value or "").startswith(("#", "data:image/"))):
                self.faults.append(f"{name}={(value or '')[:60]!r}")
            if name == "alt":
                self.words += value or ""

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "style":
            self.faults += re.findall(r"@import|expression\(", data)
        else:
            self.words += data
        self.faults += re.findall(r"url\((?!#|['\"]?data:image/)[^)]*\)", data)


def faults(data: dict[str, object]) -> list[str]:
    """What would be lost, or would reach out, where an output is shown by another program."""
    text = {kind: "".join(value) for kind, value in data.items() if isinstance(value, (str, list))}
    page = Seen(text.get("text/html", ""), LEFT | (set() if "image/svg+xml" in text else DRAWN))
    picture = Seen(text.get("image/svg+xml", ""), DRAWN)
    found = page.faults + picture.faults
    if not text.get("text/plain", "").strip():
        found.append("no words")
    if "text/html" in text and len(page.words.strip()) < 3:
        found.append("nothing is left of the page without its style")
    return found + [f"{kind} is the language of one program" for kind in text if kind == "application/javascript"]


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_notebook_reads_anywhere(path):
    """GitHub shows nothing of a notebook over a megabyte; a kernel's name binds it to no program and no version."""
    notebook = json.loads(path.read_text("utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]

    assert path.stat().st_size < 1_000_000
    assert [fault for output in outputs if "data" in output for fault in faults(output["data"])] == []
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in notebook["metadata"]["language_info"]


@pytest.mark.nightly  # what is stored is seen each day
def test_what_a_cell_shows_now_reads_anywhere(measured):
    @task
    def train(): ...

    with DAG("nightly") as dag:
        train()
    shown = [
        draw_dag(dag), plot_bars("Score", {"A": 0.9, "B": 0.7}, "AUC"), GatePanel(measured),
        predict("00.p1"), quiz("00.q1"), check("01.1", ...),
    ]  # fmt: skip

    for one in shown:
        data, _ = DisplayFormatter().format(one)
        live = {kind: text for kind, text in data.items() if "widget-view" not in kind}
        page = live.pop("text/html", "")
        assert faults(live) == [], one
        assert Seen(page, LEFT | DRAWN).faults == [], one


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        ('<p onclick="x()">words</p>', "onclick='x()'"),
        ("<script>1</script>words", "<script>"),
        ('<img alt="words" src="https://example.com/x.png">', "src='https://example.com/x.png'"),
        ("<style>@import 'x';</style>words", "@import"),
        ("<style>.a{background:url(https://example.com/x)}</style>words", "url(https://example.com/x)"),
        ("<style>.a{color:red}</style>", "nothing is left of the page without its style"),
        ("<iframe></iframe>words", "<iframe>"),
    ],
)
def test_a_planted_fault_is_seen(planted, seen):
    assert seen in faults({"text/plain": "words", "text/html": planted})


WIDGETS = (controls.RangeInput, controls.OwnKeys, playground.PictureName)
#: what only JupyterLab has, and what loads from elsewhere; an attribute that JupyterLab reads is nothing to the others
BOUND = re.compile(
    r"jupyterapp|jupyterlab|\brequire\(|\bimport\b|https?:|\.jp-|--jp-[\w-]+\s*\)|window\.top|parent\.", re.I
)


@pytest.mark.parametrize("widget", WIDGETS, ids=lambda widget: widget.__name__)
def test_a_control_needs_nothing_of_jupyterlab(widget):
    code = re.sub(r"//[^\n]*", "", str(widget._esm)) + str(getattr(widget, "_css", ""))

    assert BOUND.findall(code) == []
    assert "export default" in code


def test_every_control_of_ours_is_looked_at():
    ours = {one for one in anywidget.AnyWidget.__subclasses__() if one.__module__.startswith("mlops_lab")}

    assert ours == set(WIDGETS)
