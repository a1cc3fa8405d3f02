"""The picture comes from whichever program is here; without any, the words stay."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mlops_lab.base.errors import MlopsLabError, UnknownName
from mlops_lab.teaching.drawing import Drawing, renderers
from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
from mlops_lab.teaching.drawing.render import render
from mlops_lab.teaching.drawing.style import state_look

SVG = "{http://www.w3.org/2000/svg}"
JOBS = [
    Box("lint", state_look("success"), family="job", state="success"),
    Box(
        "test",
        state_look("failure"),
        family="job",
        state="failure",
        lines=("✓ 3.11 (success)", "✗ 3.13 (failure)"),
        facts=("1 of 90 failed",),
    ),
    Box("ship", state_look("skipped"), family="job", state="skipped"),
]


def draw_jobs(jobs: list[Box]) -> Drawing:
    columns = [["lint"], ["test"], ["ship"]]
    return draw_boxes("ci.yml", jobs, edges=[("lint", "test"), ("test", "ship")], columns=columns)


@pytest.fixture
def drawing() -> Drawing:
    return draw_jobs(JOBS)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with neither program: the fault is planted by hiding both places where they are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, body: str) -> None:
    file = folder / name
    file.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.buffer.read()\n{body}\n")
    file.chmod(0o755)


needs_scripts = pytest.mark.skipif(os.name == "nt", reason="a program of one script needs a shebang line")


def test_graphviz_pure_is_always_here_even_when_its_folder_is_not_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    found = renderers()

    assert list(found) == ["graphviz-pure"]


@pytest.mark.parametrize("renderer", ["dot", "graphviz-pure"])
def test_each_renderer_draws_every_box_and_arrow_under_stable_ids_and_classes(renderer: str, drawing: Drawing) -> None:
    if renderer not in renderers():
        pytest.skip(f"{renderer} is not here")

    root = ElementTree.XML(render(drawing.dot, title=drawing.title, renderer=renderer))

    groups = {group.get("id"): group.get("class") for group in root.iter(f"{SVG}g")}
    assert groups["job-lint"] == "node job state-success"
    assert groups["job-test"] == "node job state-failure"
    assert groups["job-ship"] == "node job state-skipped"
    assert list(groups.values()).count("edge") == 2


@pytest.mark.parametrize("renderer", ["dot", "graphviz-pure"])
def test_the_svg_names_itself_and_not_the_program(renderer: str, drawing: Drawing) -> None:
    if renderer not in renderers():
        pytest.skip(f"{renderer} is not here")

    text = render(drawing.dot, title=drawing.title, renderer=renderer).decode()

    root = ElementTree.XML(text)
    assert text.startswith("<svg")
    assert (root.get("role"), root.get("aria-label")) == ("img", "ci.yml")
    assert [element.text for element in root.findall(f"{SVG}title")] == ["ci.yml"]
    assert "<!--" not in text
    assert "version" not in text.lower()


def test_the_reason_of_a_state_is_the_tooltip_of_its_box(drawing: Drawing) -> None:
    root = ElementTree.XML(drawing.svg)

    box = next(group for group in root.iter(f"{SVG}g") if group.get("id") == "job-test")
    title = box.find(f"{SVG}title")
    assert title is not None
    assert title.text == "test; failure; ✓ 3.11 (success); ✗ 3.13 (failure); 1 of 90 failed"


def test_the_background_is_transparent(drawing: Drawing) -> None:
    root = ElementTree.XML(drawing.svg)

    page = next(root.iter(f"{SVG}polygon"), None)

    assert page is None or page.get("fill") in ("none", "transparent") or page.get("points", "").count(" ") == 3


def test_equal_definitions_give_equal_bytes() -> None:
    one, other = draw_jobs(JOBS), draw_jobs(list(JOBS))

    assert one == other
    assert one.svg == other.svg
    assert render(one.dot, "png") == render(other.dot, "png")


def test_nothing_reaches_standard_error(drawing: Drawing, capfd: pytest.CaptureFixture[str]) -> None:
    render(drawing.dot, title="marks such as ✓", renderer="graphviz-pure")

    assert capfd.readouterr() == ("", "")


def test_without_a_renderer_the_words_stay_and_the_picture_says_what_to_install(
    nothing_installed: Path, drawing: Drawing
) -> None:
    bundle = drawing._repr_mimebundle_(include=None, exclude=None)

    assert bundle == {"text/plain": drawing.outline}
    assert drawing.html == f"<figure><pre>{drawing.outline}</pre></figure>"
    assert "job-test" in drawing.dot
    with pytest.raises(MlopsLabError) as caught:
        _ = drawing.svg
    assert str(caught.value) == (
        "cannot draw 'ci.yml' as SVG: neither dot nor graphviz-pure is here; install one with: pip install "
        "graphviz-pure (or Graphviz from https://graphviz.org/download/). The same facts are in .outline (text) and "
        ".dot (DOT text), which need neither."
    )


def test_a_picture_that_could_not_be_drawn_is_drawn_once_a_renderer_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, drawing: Drawing
) -> None:
    with monkeypatch.context() as hidden:
        hidden.setenv("PATH", str(tmp_path))
        hidden.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
        assert "image/svg+xml" not in drawing._repr_mimebundle_()

    bundle = drawing._repr_mimebundle_()

    assert bundle["image/svg+xml"].startswith("<svg")


def test_a_renderer_asked_for_by_name_that_is_not_here_is_named(nothing_installed: Path, drawing: Drawing) -> None:
    with pytest.raises(MlopsLabError, match="dot is not here"):
        render(drawing.dot, renderer="dot")


@needs_scripts
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit('Format: \"svg\" not recognized.')", 'Format: "svg" not recognized.'),
        ("sys.exit(3)", "exit status 3"),
        ("", "it wrote nothing"),
        ("print('a list of points, not a picture')", "it wrote no SVG"),
        ("print('<svg><g></svg>')", "its SVG cannot be read"),
        ("print('<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>')", "its SVG holds an unexpected <script>"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe')", "codec can't decode"),
    ],
)
def test_a_broken_dot_gives_way_to_graphviz_pure_and_is_named_where_there_is_no_other(
    body: str, words: str, nothing_installed: Path, monkeypatch: pytest.MonkeyPatch, drawing: Drawing
) -> None:
    program(nothing_installed, "dot", body)

    with pytest.raises(MlopsLabError) as caught:
        _ = drawing.svg
    with monkeypatch.context() as patch:
        patch.setattr(sysconfig, "get_path", lambda name: str(Path(sys.executable).parent))
        svg = drawing.svg

    assert f"dot: {words}" in str(caught.value) or words in str(caught.value)
    assert svg.startswith("<svg")


@pytest.mark.parametrize("suffix", [".svg", ".dot", ".txt", ".png", ".SVG"])
def test_a_drawing_is_saved_by_suffix(suffix: str, tmp_path: Path, drawing: Drawing) -> None:
    path = drawing.save(tmp_path / f"ci{suffix}")

    data = path.read_bytes()
    expected = {".svg": b"<svg", ".dot": b"digraph", ".txt": b"ci.yml\n", ".png": b"\x89PNG"}
    assert data.startswith(expected[suffix.lower()])


def test_another_suffix_and_a_folder_that_is_not_there_are_refused_in_one_line(
    tmp_path: Path, drawing: Drawing
) -> None:
    with pytest.raises(UnknownName, match=r"no file type for a drawing '.pdf'; there is: .dot, .png, .svg, .txt"):
        drawing.save(tmp_path / "ci.pdf")
    with pytest.raises(MlopsLabError, match=r"cannot write .*: No such file or directory"):
        drawing.save(tmp_path / "nowhere" / "ci.txt")


def test_a_notebook_gets_the_picture_and_the_outline(drawing: Drawing) -> None:
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(drawing)

    assert data == {"text/plain": drawing.outline, "image/svg+xml": drawing.svg, "text/html": drawing.html}
    assert 'role="img" aria-label="ci.yml"' in data["text/html"], (
        "an SVG alone is an image without a name in JupyterLab"
    )
    assert "<summary>as text</summary>" in data["text/html"]


def test_a_png_of_graphviz_pure_has_no_empty_boxes_for_marks() -> None:
    marked, plain = ('digraph { gate [label="' + mark + 'gate\\nfailed"] }' for mark in ("✗ ", ""))

    assert render(marked, "png", renderer="graphviz-pure") == render(plain, "png", renderer="graphviz-pure")


@pytest.mark.parametrize("letter", ["W", "i", "m", "列"])
def test_every_line_says_its_length_and_fits_its_box_in_any_font(letter: str) -> None:
    import re

    from mlops_lab.teaching.drawing.boxes import Box, draw_boxes
    from mlops_lab.teaching.drawing.style import kind_look

    box = Box(
        "it", kind_look("version"), name=letter * 30, lines=("learnt from: 2013-07-01 to 2013-09-09", letter * 40)
    )
    root = ElementTree.XML(draw_boxes(f"A bold title {letter * 60}", [box], edges=[]).svg)

    space = "{http://www.w3.org/2000/svg}"
    wide = float(root.get("viewBox", "").split()[2])
    lengths = [float(text.get("textLength", "nan")) for text in root.iter(f"{space}text")]
    assert max(lengths) < wide, "NaN, where a line does not say it, is below nothing"
    node = next(group for group in root.iter(f"{space}g") if group.get("class", "").startswith("node"))
    places = [float(x) for shape in node.iter(f"{space}path") for x in re.findall(r"(-?[\d.]+),", shape.get("d", ""))]
    inside = [float(text.get("textLength", "nan")) for text in node.iter(f"{space}text")]
    assert max(inside) <= max(places) - min(places)
