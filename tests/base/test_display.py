"""How a result shows itself: the words of the text stand in the page too, nothing in a name does anything."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from mlops_lab.base.clock import FakeClock, parse_utc
from mlops_lab.base.display import MARKS, SHEET, STYLE, Listing, facts, html_table, pill
from mlops_lab.data.features.online import Materialized
from mlops_lab.models.registry import Event, GateReport, ModelVersion, RuleResult
from mlops_lab.models.rollout.deployment import Deployment, RolloutPolicy, Step
from mlops_lab.models.tracking import Run
from mlops_lab.pipeline.dag import DAG, FailTask, Task, run_dag

HOSTILE = "<img src=x onerror=alert(1)> & \"'"
DAY = parse_utc("2014-01-01")

ROOT = Path(__file__).resolve().parents[2]


def failing() -> None:
    raise FailTask(HOSTILE)


def dag_run() -> object:
    dag = DAG("morning")
    dag.add(Task("wind", failing))
    return run_dag(dag, logical_date="2013-07-10", clock=FakeClock("2013-07-10"))


def event(seq: int) -> Event:
    return Event(seq, DAY, "ada", "transition_stage", "late", 2, "None", "Staging", HOSTILE, {}, "sha256:0", "sha256:1")


def version() -> ModelVersion:
    return ModelVersion("late", 2, "1f", "sha256:0", "Production", ("champion",), {"why": HOSTILE}, "ada", DAY, HOSTILE)


def report() -> GateReport:
    results = (RuleResult("floor", False, 0.64, 0.65, HOSTILE), RuleResult("skew", True, 0.01, 0.02, "within 0.020"))
    return GateReport("late", 2, "sha256:0", results, 1, "sha256:1", DAY)


def run() -> Run:
    metrics = {"offline.auc": 0.7, "served.auc": float("nan"), "alone": 3.0}
    return Run("0" * 32, "late", {"why": HOSTILE, "c": 1.0}, metrics, author="ada", started=DAY, ended=DAY)


def deployment() -> Deployment:
    steps = (Step(DAY, 5, "hold", HOSTILE, 45, 0, 38, None, None),)
    return Deployment("late", 2, champion=1, promotion=9, weight=5, state="rolled_back", why="worse", steps=steps)


SHOWN = {
    "a run of a DAG": (dag_run, ["wind", "failed", "morning"]),
    "a history": (lambda: Listing([event(1), event(2)]), ["transition_stage", "None → Staging", "ada", "late v2"]),
    "a version": (version, ["late v2", "Production", "champion"]),
    "versions": (lambda: Listing([version()]), ["late v2", "Production", "champion"]),
    "a gate report": (report, ["late v2", "refused", "floor", "skew", "within 0.020"]),
    "a training run": (run, ["late", "ada", "0.700", "nan"]),
    "training runs": (lambda: Listing([run()]), ["late", "0.700"]),
    "what went online": (lambda: Materialized(DAY, {HOSTILE: 3}), ["3"]),
    "a rollout policy": (lambda: RolloutPolicy(noun=HOSTILE), ["weights", "0.005"]),
    "a rollout": (deployment, ["late v2", "2014-01-01", "hold"]),
}


def words(html: str) -> str:
    return unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.S)).replace("\xa0", " ")


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_says_what_the_text_says_and_a_hostile_name_stays_text(name):
    make, said = SHOWN[name]

    bundle = make()._repr_mimebundle_()

    assert sorted(bundle) == ["text/html", "text/plain"]
    for word in said:
        assert word in words(bundle["text/html"])
        assert word.split()[-1] in bundle["text/plain"]
    assert "<img" not in bundle["text/html"]
    assert "Run(late, 0000" not in bundle["text/plain"]  # ids differ from machine to machine


class Wide:
    def __init__(self, name: str) -> None:
        self.name = name

    def row(self) -> dict[str, str]:
        return {"run": self.name} | {f"figure {number}": "0.5" for number in range(9)}


@pytest.mark.parametrize(("records", "across"), [(2, ["run", "a", "b"]), (8, ["run", "figure 0"])])
def test_a_few_records_with_many_figures_stand_side_by_side(records: int, across: list[str]) -> None:
    page = Listing([Wide(name) for name in "abcdefgh"[:records]])._repr_mimebundle_()["text/html"]

    heads = re.findall(r"<th [^>]*>([^<]*)</th>", page)

    assert heads[: len(across)] == across
    assert page.count("0.5") == 9 * records


def test_a_slice_of_a_listing_shows_itself_too_and_an_empty_one_says_so():
    two = Listing([event(1), event(2)])

    assert two[:1]._repr_mimebundle_()["text/plain"] == str(event(1))
    assert two[1] == event(2)
    assert Listing([])._repr_mimebundle_()["text/plain"] == "none"
    assert two == (event(1), event(2))


@pytest.mark.parametrize("state", MARKS)
def test_a_state_is_told_by_mark_and_word(state):
    assert words(pill(state)).strip() == f"{MARKS[state]} {state}"


def test_a_column_of_numbers_is_set_flush_right_and_words_are_not():
    table = html_table("t", ["name", "n"], [["ada", "1,234"], ["grace", "12 %"], ["x", "1.2.3"]])

    assert table.count('class="lab-number"') == 2
    assert "overflow-wrap:normal" in STYLE  # no line is broken in mid-word


def test_an_empty_fact_is_left_out_and_zero_is_not():
    assert facts("late", {"author": "", "seed": 0}).count("<tr>") == 1


def test_every_colour_of_the_page_comes_from_the_theme_and_letters_in_a_pill_do_not():
    rules = re.findall(r"([^{}]+)\{([^}]*)\}", STYLE.replace("<style>", ""))
    for selector, declarations in rules:
        if "lab-state" in selector or re.search(r"\.lab-(good|bad|wait|lost)$", selector.strip()):
            continue
        for value in re.findall(r"color:([^;]+)", declarations):
            assert value.startswith(("var(--jp", "inherit")), (selector, value)


@pytest.mark.parametrize("name", SHOWN)
def test_ipython_shows_the_same_words(name):
    from IPython.core.formatters import DisplayFormatter

    shown = SHOWN[name][0]()

    data, _ = DisplayFormatter().format(shown)

    assert data["text/plain"] == shown._repr_mimebundle_()["text/plain"]
    assert data["text/html"].startswith("<style>")


def _own_styles(code: str) -> list[str]:
    """What would be a second stylesheet: rules in a text of the code, or a colour in an element's `style`."""
    return re.findall(r"<style[^>]*>\s*[\w.#@:]|_css = \"\"\"|style=\\?\"[^\"{]*(?:background|(?<!-)color):", code)


def test_there_is_one_stylesheet():
    places = [path for path in (ROOT / "mlops_lab").rglob("*.py") if path.name != "display.py"]

    assert {path.name: found for path in places if (found := _own_styles(path.read_text("utf-8")))} == {}
    assert [path.name for path in (ROOT / "mlops_lab").rglob("*.css")] == ["style.css"]
    assert SHEET.startswith(STYLE.removeprefix("<style>\n").removesuffix("</style>"))


PLANTED = (
    "x = '<style>.a{b:c}'",
    '_css = """\n.a {}"""',
    "'<p style=\"color:#fff\">'",
    "'<p style=\"top:0;background:red\">'",
)


@pytest.mark.parametrize("planted", PLANTED)
def test_a_second_stylesheet_is_seen(planted):
    assert _own_styles(planted)
