"""States and kinds can be told apart without colour and read on a light and on a dark page."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from contrast import ratio as contrast

from mlops_lab.pipeline.dag.run import FAILED
from mlops_lab.teaching.drawing.plots.plot import COLOURS, QUIET
from mlops_lab.teaching.drawing.plots.timeline import BAD, GOOD
from mlops_lab.teaching.drawing.style import (
    EDGE,
    INK,
    KINDS,
    PAPER,
    STATES,
    TEXT,
    TITLE,
    Look,
    kind_look,
    state_look,
)

PAGES = {"white": "#ffffff", "JupyterLab's dark": "#111111"}
LOOKS = [*STATES.values(), *KINDS.values(), state_look("unheard of"), kind_look("unheard of")]
SAME = [{"failed", "failure"}, {"running", "in_progress"}]  # two tools' words for one thing look alike on purpose


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.word)
def test_text_on_a_fill_has_a_contrast_of_4_5(look: Look) -> None:
    ratio = contrast(TEXT, look.fill)

    assert ratio >= 4.5


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", sorted({EDGE, TITLE, *(look.border for look in LOOKS)}))
def test_edges_borders_and_the_bold_heading_have_a_contrast_of_3_on_both_pages(colour: str, page: str) -> None:
    ratio = contrast(colour, PAGES[page])

    assert ratio >= 3.0


@pytest.mark.parametrize("looks", [STATES, KINDS], ids=["states", "kinds"])
def test_no_two_marks_are_alike(looks: dict[str, Look]) -> None:
    alike = [{one, other} for one, other in combinations(looks, 2) if looks[one].mark == looks[other].mark]

    assert [pair for pair in alike if pair not in SAME] == []


@pytest.mark.parametrize(
    ("state", "mark"),
    [
        ("success", "✓"),
        ("failed", "✗"),
        ("skipped", "–"),
        ("upstream_failed", "⊘"),
        ("up_for_retry", "↻"),
        ("running", "▸"),
        ("queued", "…"),
        ("no_status", "○"),
    ],
)
def test_every_state_of_a_task_has_its_mark_and_word(state: str, mark: str) -> None:
    look = state_look(state)

    assert (look.mark, look.word) == (mark, state)
    assert set(FAILED) <= set(STATES)


def test_success_and_failure_differ_by_border_too() -> None:
    lines = {STATES[state].line for state in ("success", "failed", "skipped", "upstream_failed")}

    assert len(lines) == 4


@pytest.mark.parametrize("colour", [*COLOURS, INK, QUIET])
def test_lines_and_letters_of_plots_have_a_contrast_of_4_5_on_their_card(colour: str) -> None:
    ratio = contrast(colour, PAPER)

    assert ratio >= 4.5


@pytest.mark.parametrize("colour", [*COLOURS, GOOD, BAD, QUIET])
def test_lines_of_plots_keep_3_to_1_on_jupyterlabs_dark_page(colour: str) -> None:
    assert contrast(colour, "#111111") >= 3.0


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_marks_in_the_window_of_a_timeline_have_a_contrast_of_3(page: str) -> None:
    tint, share = "#0072b2", 0x1F / 0xFF

    def mixed(place: int) -> int:
        return round(int(tint[place : place + 2], 16) * share + int(page[place : place + 2], 16) * (1 - share))

    window = "#" + "".join(f"{mixed(place):02x}" for place in (1, 3, 5))

    assert min(contrast(colour, window) for colour in (GOOD, BAD)) >= 3.0


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0)]
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


def test_what_ended_well_does_not_wear_the_colours_of_what_failed() -> None:
    from types import SimpleNamespace as Object

    from mlops_lab.teaching.drawing import draw_lineage

    def colours(kind: str, **facts: str) -> tuple[str, str]:
        node = Object(id="x", kind=kind, title="it", facts=facts)
        dot = draw_lineage(Object(nodes=(node,), edges=())).dot
        found = re.search(r'color="(#\w+)" fillcolor="(#\w+)"', dot)
        assert found is not None
        return found.group(1), found.group(2)

    good, bad = ((look.border, look.fill) for look in (STATES["success"], STATES["failed"]))
    assert colours("gate_report", verdict="passed") == colours("deployment", state="finished") == good
    assert colours("gate_report", verdict="refused") == colours("deployment", state="rolled back") == bad
    alarming = {STATES[state].border for state in ("failed", "upstream_failed")}
    assert not alarming & {look.border for look in KINDS.values()}
