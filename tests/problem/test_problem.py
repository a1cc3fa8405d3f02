"""Any problem makes a pipeline: a number, a metric of one's own, a home that remembers, input that is no good."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import click
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import PoissonRegressor

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, MlopsLabError, UnknownName
from mlops_lab.cli import main
from mlops_lab.cli.program import program
from mlops_lab.models.gates import Floor, GatePolicy
from mlops_lab.models.tracking import Tracker
from mlops_lab.pipeline.flights import FLIGHTS
from mlops_lab.pipeline.problem import (
    Metric,
    load_problem,
    new_project,
    outcome,
    past_means,
    pipeline_of,
    problem_of,
    remembered,
    run_problem,
    same_day_means,
    unconfirmed,
)
from tests.problem.made import Made

MADE = Made(7, rows=800)
COUNTS = Made(8, rows=800, kind="regression")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The example, laid out and run: once honest, once with its leak."""
    folder = tmp_path_factory.mktemp("project") / "warm"
    new_project(folder)
    return folder


@pytest.fixture(scope="module")
def weather(project):
    problem, home = load_problem(project / "problem.py"), project / ".mlops_lab"
    told = {"file": project / "problem.py", "clock": FakeClock("2016-01-02")}
    honest = run_problem(problem, home, params={"model": "ridge", "author": "ada"}, **told)
    leak = run_problem(problem, home, params={"model": "ridge", "author": "ada", "features": "same_day"}, **told)
    return problem, home, honest, leak


def test_a_number_is_predicted_promoted_and_its_leak_refused(weather):
    _, home, honest, leak = weather

    assert (outcome(honest), outcome(leak)) == ("promoted", "refused")
    figures = Tracker(home, clock=FakeClock()).get_run(honest.result("train")["run_id"]).metrics
    assert 2.0 < figures["served.mae"] < 2.6
    assert figures["served.mae"] == pytest.approx(figures["offline.mae"])
    assert "as served" in leak.task("gate").why


def test_every_problem_has_the_same_tasks(weather):
    assert pipeline_of(weather[0]).topological_order() == pipeline_of(FLIGHTS).topological_order()


def test_a_home_remembers_its_file_and_moves_with_its_project(weather, project, tmp_path):
    _, home, *_ = weather
    moved = tmp_path / "elsewhere"
    project.rename(moved)
    try:
        found = problem_of(moved / ".mlops_lab")
    finally:
        moved.rename(project)

    assert found.name == "warm_days"
    assert remembered(home).file == "../problem.py"


#: Words that only the flights' own files say.
FLIGHTS_WORDS = re.compile(
    r"flights?|flown|origin|carrier|airline|airport|tail_?num|dep_delay|departure|JFK|EWR", re.IGNORECASE
)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        *(
            (0, words.split())
            for words in (
                "gate --version 1",
                "gate --print-policy",
                "drift --rows 200",
                "dag draw",
                "dag list",
                "registry list",
                "registry show 1 --markdown",
                "registry history",
                "lineage",
                "lineage 1 --rows 2",
                "features list",
                "features describe calendar",
                "features rebuild --until 2015-12-01",
                "rollout status",
                "leaks --rows 400",
                "doctor",
                "refit",
            )
        ),
        *(
            (0, ["export", name])
            for name in ("yaml", "json", "airflow", "airflow-factory", "prefect", "prefect-yaml", "vertex", "sagemaker")
        ),
        *(
            (1, words.split())
            for words in (
                "refit 7",
                "rollout live",
                "registry approve --by grace",
                "features describe nothing",
                "lineage nothing",
                "features online --features calendar --key x",
                "features online --features calendar --key x=1",
                "export kubernetes",
                "export feast",
                "export kubernetes --image late",
                "serve 7",
                "serve nothing",
                "deploy kubernetes --endpoint n --version 7 --image a:b",
                "rollout stop 7",
                "drift 7",
                "gate --version 7",
            )
        ),
    ],
    ids=lambda each: each if isinstance(each, int) else " ".join(each),
)
def test_every_command_takes_the_problem_of_its_home_and_says_no_word_of_flights(weather, code, words, capsys):
    found = main([*words, "--home", str(weather[1])])

    said = capsys.readouterr()
    assert found == code, said
    assert not FLIGHTS_WORDS.findall(said.out + said.err)


def helps(command, *before):
    yield before
    for name in command.list_commands(click.Context(command)) if isinstance(command, click.Group) else ():
        yield from helps(command.get_command(click.Context(command), name), *before, name)


def test_no_help_but_that_of_the_course_speaks_of_flights(capsys):
    speaking = {}
    for words in helps(program):
        assert main([*words, "--help"]) == 0
        if found := FLIGHTS_WORDS.findall(capsys.readouterr().out):
            speaking[" ".join(words)] = found

    # What the course itself runs on, and that a home which remembers nothing is one of it.
    assert speaking == {"": ["flights"], "run": ["flights"]}


def test_a_home_belongs_to_one_problem(weather):
    with pytest.raises(InvalidData, match="belongs to the problem warm_days"):
        run_problem(MADE.problem(), weather[1])


def test_a_damaged_memory_is_told(tmp_path):
    (tmp_path / "problem.json").write_text("{}")

    with pytest.raises(MlopsLabError, match=r"problem\.json"):
        problem_of(tmp_path)


def test_a_metric_of_ones_own_has_a_direction_that_the_gate_knows(tmp_path):
    profit = Metric("profit", lambda truth, said: float((truth * 10 - 4)[said > 0.4].sum()), higher_is_better=True)
    policy = GatePolicy([Floor("served.profit", -1000.0)])

    run = run_problem(replace(MADE.problem(), metric=profit, policy=policy), tmp_path, params={"author": "ada"})

    assert outcome(run) in ("promoted", "rolled back"), run.task("gate").why
    assert "served.profit" in Tracker(tmp_path, clock=FakeClock()).get_run(run.result("train")["run_id"]).metrics


def test_any_estimator_is_a_model(tmp_path):
    counts = COUNTS.rows.assign(returned=np.round(COUNTS.rows["returned"].clip(0)))
    problem = replace(
        COUNTS.problem(rows=counts),
        models={"poisson": PoissonRegressor(max_iter=500)},
        metric="mean_poisson_deviance",
        policy=GatePolicy([Floor("served.mean_poisson_deviance", 100.0)]),
    )

    run = run_problem(problem, tmp_path, params={"author": "ada"})

    assert run.states["gate"] == "success", run.task("gate").why


def test_a_service_may_bear_the_name_of_one_of_its_views(tmp_path):
    problem = replace(MADE.problem(), definitions=(), features={"order": [MADE.amount]}, models="logistic")
    problem = replace(problem, policy=GatePolicy([Floor("served.roc_auc", 0.1)]))

    run = run_problem(problem, tmp_path, params={"author": "ada"})

    assert run.states["materialize"] == "success", run.task("materialize").why
    assert outcome(run) in ("promoted", "rolled back")


def rows(**columns):
    return MADE.rows.assign(**columns)


BAD = {
    "no time column": (lambda: MADE.problem(rows=MADE.rows.drop(columns="event_timestamp")), "no column 'event_timest"),
    "naive times": (
        lambda: MADE.problem(rows=rows(event_timestamp=MADE.rows["event_timestamp"].dt.tz_localize(None))),
        "not times with a time zone",
    ),
    "known before the event": (
        lambda: MADE.problem(rows=rows(label_timestamp=MADE.rows["event_timestamp"] - pd.Timedelta("1h"))),
        "was known before they were decided",
    ),
    "constant label": (lambda: MADE.problem(rows=rows(returned=True)), "is True in every row"),
    "null label": (lambda: MADE.problem(rows=rows(returned=None)), "is null in every row"),
    "one class in the holdout": (
        lambda: MADE.problem(rows=rows(returned=MADE.rows["returned"] & (MADE.rows.index < 400))),
        "in every row to be examined on",
    ),
    "duplicate keys": (lambda: MADE.problem(rows=rows(order_id="o1")), "come twice, such as 'o1'"),
    "many categories": (
        lambda: Made(9, rows=12_000).problem(
            (big := Made(9, rows=12_000)).order("note", note=[f"n{i}" for i in range(len(big.rows))])
        ),
        "12,000 distinct texts",
    ),
    "an empty split": (lambda: replace(MADE.problem(), holdout_days=200), "leaves no row to learn from"),
    "a column of nulls": (
        lambda: MADE.problem(MADE.order("empty", nothing=np.full(len(MADE.rows), np.nan))),
        "'nothing' of view 'empty' is null in every row",
    ),
    "times as text": (
        lambda: MADE.problem(rows=rows(event_timestamp=MADE.rows["event_timestamp"].astype(str))),
        "holds text, not times with a time zone",
    ),
    "an infinite feature": (
        lambda: MADE.problem(MADE.order("odd", ratio=np.where(MADE.rows.index == 7, -np.inf, 1.5))),
        "'ratio' of view 'odd' is infinite in 1 of 800 rows, the first at position 7",
    ),
    "an infinite label": (
        lambda: (made := Made(kind="regression")).problem(
            rows=made.rows.assign(returned=np.where(made.rows.index == 7, np.inf, made.rows["returned"]))
        ),
        "the label 'returned' is infinite in 1 of 3,000 rows",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_input_that_is_no_good_is_one_line_and_nothing_is_written(fault, tmp_path):
    make, said = BAD[fault]
    home = tmp_path / "home"

    with pytest.raises((InvalidData, UnknownName), match=said) as told:
        run_problem(make(), home, params={"author": "ada"})

    assert "\n" not in str(told.value)
    assert not home.exists()


@pytest.mark.parametrize("means", [past_means, same_day_means])
def test_a_mean_of_infinite_outcomes_is_refused(means):
    with pytest.raises(InvalidData, match="column 'returned' is infinite in 1 of 800 rows"):
        means(rows(returned=np.where(MADE.rows.index == 7, np.inf, 1.0)), "shop", "returned")


def test_an_infinite_column_of_a_file_is_no_feature_and_no_label(tmp_path, capsys):
    frame = rows(ratio=np.where(MADE.rows.index == 7, np.inf, 1.5 + MADE.rows.index % 9), score=1.5).drop(
        columns="shop"
    )
    frame.to_csv(tmp_path / "orders.csv", index=False)
    command = ["--from", str(tmp_path / "orders.csv"), "--json"]

    assert main(["new", str(tmp_path / "mine"), *command]) == 0
    told = json.loads(capsys.readouterr().out)["proposal"]
    assert "it is infinite in 1 rows" in str(told)
    assert main(["new", str(tmp_path / "other"), *command, "--label", "ratio"]) == 1
    assert "the label 'ratio' of orders.csv is infinite" in capsys.readouterr().err


def test_a_label_among_the_features_is_refused_when_it_is_described():
    with pytest.raises(InvalidDefinition, match="the label 'returned' is a feature of view 'told'"):
        MADE.problem(MADE.order("told", returned=MADE.rows["returned"]))


@pytest.mark.parametrize(
    ("code", "said"),
    [("x = 1", "defines no Problem"), ("1 / 0", "ZeroDivisionError"), ("import sys; sys.exit(3)", "SystemExit")],
)
def test_a_file_that_is_no_problem_is_one_line(code, said, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(code)

    assert main(["run", str(tmp_path / "mine.py"), "--home", str(tmp_path / "home")]) == 1

    assert said in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_what_a_file_seems_to_hold_is_said_and_what_it_cannot_say_too(tmp_path, capsys):
    frame = MADE.rows.assign(shipped=MADE.rows["event_timestamp"], amount=1.5 + np.arange(len(MADE.rows)) % 7)
    frame = frame.rename(columns={"event_timestamp": "ordered_at", "label_timestamp": "closed_at"})
    frame.to_csv(tmp_path / "orders.csv", index=False)

    code = main(["new", str(tmp_path / "mine"), "--from", str(tmp_path / "orders.csv"), "--json"])

    told = json.loads(capsys.readouterr().out)["proposal"]
    assert code == 0
    assert (told["time"], told["known"], told["key"], told["label"]) == (
        "ordered_at",
        "closed_at",
        "order_id",
        "returned",
    )
    assert told["entities"] == ["shop"]
    assert told["created"] is None
    assert told["suspicions"] == []
    assert any("when a row was written" in each for each in told["unknown"])
    assert load_problem(tmp_path / "mine" / "problem.py").kind == "classification"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": [1, 2], "label": [0, 1]}, "no column of file.csv reads as times"),
        ({"time": ["2024-01-01", "2024-02-01"], "label": [1, 1]}, "the same in every row"),
        ({"time": ["2024-01-01", "2024-01-02"], "label": [0, 1]}, "spans 1.0 days"),
        ({"time": ["2024-01-01", "2024-02-01"], "label": [0, None]}, "the same in every row"),
        ({"time": [], "label": []}, "has no rows"),
    ],
)
def test_a_file_that_no_project_can_be_made_of_is_one_line(columns, said, tmp_path, capsys):
    pd.DataFrame(columns).to_csv(tmp_path / "file.csv", index=False)

    assert main(["new", str(tmp_path / "mine"), "--from", str(tmp_path / "file.csv")]) == 1

    assert said in capsys.readouterr().err
    assert not (tmp_path / "mine").exists()


DATES = pd.date_range("2024-01-01", periods=1200, freq="2h")


def odd(**columns):
    chance = np.random.default_rng(1)
    when, site = DATES.strftime("%d/%m/%Y %H:%M"), chance.choice(["Köln", "Łódź"], 1200)
    rows = {"visit no": range(1200), "when": when, "site": site, "weight": chance.normal(70.5, 9, 1200).round(1)}
    return pd.DataFrame({**rows, **columns})


def test_a_file_with_semicolons_odd_names_and_days_first_makes_a_project(tmp_path):
    odd(missed=DATES.hour < 8).to_csv(tmp_path / "odd.csv", index=False, sep=";", decimal=",")

    found = new_project(tmp_path / "mine", data=tmp_path / "odd.csv")
    problem = load_problem(tmp_path / "mine" / "problem.py")

    assert (found.key, problem.key, problem.label) == ("visit no", "visit_no", "missed")
    assert problem.rows["event_timestamp"].iloc[-1] == DATES[-1].tz_localize("UTC")
    assert problem.views["facts"].dtypes["weight"] == "float64"


def test_names_and_numbers_as_a_german_sheet_has_them_are_read(tmp_path):
    load = 1200 + 300 * np.sin(np.arange(1200) / 24 * 2 * np.pi)
    frame = pd.DataFrame({"Zähler-Nr": [f"M{i}" for i in range(1200)], "Zeit": DATES.strftime("%d.%m.%Y %H:%M")})
    frame["Außentemp °C"] = [f"{each:.1f}".replace(".", ",") for each in np.random.default_rng(1).normal(9, 5, 1200)]
    frame["Last kW"] = [f"{each:,.2f}".translate(str.maketrans(",.", ".,")) for each in load]
    pd.concat([frame, frame.tail(20)]).to_csv(tmp_path / "last.csv", index=False, sep=";")

    found = new_project(tmp_path / "mine", data=tmp_path / "last.csv", label="Last kW")
    problem = load_problem(tmp_path / "mine" / "problem.py")

    assert dict(found.features) == {"Außentemp °C": "float64"}
    assert problem.rows["Last_kW"].head(1200).to_numpy() == pytest.approx(load, abs=0.006)
    assert "Aussentemp_C" in problem.views["facts"].features
    assert any("Zähler-Nr nearly names a row: 20 rows come twice" in each for each in found.guessed)


def test_amounts_as_texts_numbers_that_are_names_and_seconds_since_1970_are_told(tmp_path):
    frame = odd(missed=DATES.hour < 8).drop(columns="when")
    frame["issued_ms"] = DATES.astype("datetime64[ms]").astype("int64")
    frame["amount"], frame["rate"] = [f"${1000 + n:,.2f}" for n in range(1200)], [f"{n % 90}.5%" for n in range(1200)]
    frame["customer ID"], frame["paid"] = np.arange(1200) // 2 + 7000, np.random.default_rng(2).integers(0, 900, 1200)
    frame.to_csv(tmp_path / "loans.csv", index=False)

    found = new_project(tmp_path / "mine", data=tmp_path / "loans.csv")

    assert found.time == "issued_ms"
    assert load_problem(tmp_path / "mine" / "problem.py").rows["event_timestamp"].iloc[5] == DATES[5].tz_localize("UTC")
    assert "such as $1,000.00" in found.left_out["amount"]
    assert "such as 0.5%" in found.left_out["rate"]
    assert "name something" in found.left_out["customer ID"]
    assert "paid" in found.features
    assert not any("time zone" in each for each in found.unknown)


def test_a_label_that_is_no_number_everywhere_names_the_row(tmp_path, capsys):
    odd(missed=[*range(1199), "soon"]).to_csv(tmp_path / "odd.csv", index=False)

    assert main(["new", str(tmp_path / "mine"), "--from", str(tmp_path / "odd.csv"), "--label", "missed"]) == 1

    assert "1 of 1,200 are none, such as soon in row 1,200." in capsys.readouterr().err


def test_a_date_of_which_nobody_can_say_whether_the_day_is_first_is_told(tmp_path):
    frame = odd(missed=DATES.hour < 8)[(DATES.day <= 12) & (DATES.month <= 12)]
    frame.to_csv(tmp_path / "odd.csv", index=False)

    found = new_project(tmp_path / "mine", data=tmp_path / "odd.csv")

    assert any("whether the day or the month is first in when" in each for each in found.unknown)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("utc=True, dayfirst=True)", "dayfirst=True)", "not times with a time zone"),
        ("FACTS = [", 'FACTS = ["missed", ', "the label 'missed' is a feature of view 'facts'"),
        ("holdout_days=", "holdout_days=400 or ", "leaves no row to learn from"),
        ("FACTS = [", 'rows["empty"] = None\nFACTS = ["empty", ', "'empty' of view 'facts' is null in every row"),
        ('rows["visit_no"] = rows["visit no"]', 'rows["visit_no"] = 7', "come twice, such as 7"),
    ],
)
def test_what_is_wrong_with_a_page_is_one_line_of_the_command_and_nothing_is_written(old, new, said, tmp_path, capsys):
    odd(missed=DATES.hour < 8).to_csv(tmp_path / "odd.csv", index=False)
    new_project(tmp_path / "mine", data=tmp_path / "odd.csv")
    page = tmp_path / "mine" / "problem.py"
    assert old in page.read_text("utf-8")
    page.write_text(page.read_text("utf-8").replace(old, new), "utf-8")

    assert main(["run", str(page), "--home", str(tmp_path / "home"), "-q"]) == 1

    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_the_workflows_of_a_new_project_pass_our_own_reader(project, capsys):
    files = sorted(map(str, (project / ".github" / "workflows").glob("*.yml")))

    code = main(["workflow", "lint", "--ours-only", *files])

    assert code == 0, capsys.readouterr().out
    assert len(files) == 2


def repairs():
    """Orders of a workshop, as such files are: two come twice, three are open, one ended before it began."""
    chance = np.random.default_rng(3)
    planned, parts = 1 + chance.gamma(2, 3, 1200).round(1), chance.poisson(3, 1200)
    late = chance.random(1200) < 1 / (1 + np.exp(3 - 0.25 * planned - 0.3 * parts))
    actual = (5 + 5 * late + chance.normal(0, 2.5, 1200)).clip(0.1).round(1)
    shop = chance.choice(["Nord", "Ost"], 1200)
    frame = pd.DataFrame({"order_id": [f"RO-{n}" for n in range(1200)], "workshop": shop, "received": DATES})
    frame = frame.assign(parts=parts, planned=planned, finished=DATES + pd.to_timedelta(actual, unit="h"))
    frame = frame.assign(seen=DATES - pd.Timedelta("1D"), actual=actual, late=pd.array(late * 1, "Int64"))
    frame.loc[[1000, 1100, 1199], ["finished", "actual", "late"]] = pd.NA
    frame.loc[77, "finished"] = pd.Timestamp("2023-12-01")
    frame["gap"] = frame["order_id"].where(frame.index != 4)
    return pd.concat([frame, frame.iloc[[100, 200]]])


def test_what_alone_tells_the_outcome_is_a_suspicion_and_few_bad_rows_are_told_and_left_out(tmp_path, capsys):
    repairs().to_csv(tmp_path / "repairs.csv", index=False)

    assert main(["new", str(tmp_path / "mine"), "--from", str(tmp_path / "repairs.csv")]) == 0

    said, page = capsys.readouterr().out, (tmp_path / "mine" / "problem.py").read_text("utf-8")
    suspicion = next(line.strip() for line in said.splitlines() if "known when?" in line)
    assert "known when? actual alone tells late apart with 0." in suspicion
    assert "the next best column with 0." in suspicion
    assert page.index(f"# SUSPICION: {suspicion}") < page.index("FACTS = [") < page.index('"actual"')
    assert 'features=[…], landed_column="label_timestamp")' in page
    for sentence in (
        "finished is when the outcome was known.",
        "3 rows have no late, such as order_id RO-1000; they are left out.",
        "1 row has no finished after received, such as order_id RO-77; it is left out.",
        "order_id nearly names a row: 2 rows come twice, such as RO-100.",
        "seen is no feature: it is a time.",
        "marks GUESS, UNKNOWN and SUSPICION",
        *(f"  {name}: " for name in repairs().columns),
    ):
        assert sentence in said
    assert page.count("UNKNOWN: its time zone, taken as UTC") == 2
    assert said.index("leaks problem.py") < said.index("run problem.py")
    rows = load_problem(tmp_path / "mine" / "problem.py").rows
    assert (len(rows), int(rows["late"].sum())) == (1198, int(repairs().drop(index=77)["late"].sum()))


def test_a_warning_ends_with_2_for_whoever_is_strict_and_is_never_called_no_leak(tmp_path, capsys):
    repairs().to_csv(tmp_path / "repairs.csv", index=False)
    new_project(tmp_path / "mine", data=tmp_path / "repairs.csv")

    codes = [main(["leaks", str(tmp_path / "mine" / "problem.py"), *more]) for more in ([], ["--strict"])]

    said = capsys.readouterr().out
    assert codes == [0, 2]
    assert said.count("1 to be explained by who knows when each was known") == 2
    assert "no leak was found" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--key", "order_id", "--time", "finished", "--known", "received"],
            [
                "2 rows come twice, such as RO-100; 'order_id' does not name a row",
                "1,198 of 1,199 rows have no 'received' after 'finished'",
            ],
        ),
        (["--key", "order_id", "--known", "workshop"], ["2 rows come twice", "'workshop' of repairs.csv does not"]),
        (["--key", "gap"], ["1 of 1,199 rows have no 'gap', such as row 5"]),
        (["--known", "seen"], ["1,199 of 1,199 rows have no 'seen' after 'received', such as order_id RO-0"]),
    ],
    ids=" ".join,
)
def test_a_column_that_a_run_would_not_take_is_told_when_it_is_named(words, said, tmp_path, capsys):
    repairs().to_csv(tmp_path / "repairs.csv", index=False)

    assert main(["new", str(tmp_path / "mine"), "--from", str(tmp_path / "repairs.csv"), *words]) == 1

    told = capsys.readouterr().err.strip()
    assert all(each in told for each in said), told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "mine").exists()


def test_a_time_that_is_written_otherwise_is_left_out_and_one_that_is_none_is_shown(tmp_path, capsys):
    frame = repairs().reset_index(drop=True).astype({"finished": str})
    frame.loc[5, "finished"] = "31/12/2023"  # and 05/03/2023 would be two days
    frame.to_csv(tmp_path / "repairs.csv", index=False)
    frame.loc[range(100), "finished"] = "soon"
    frame.to_csv(tmp_path / "soon.csv", index=False)

    found = new_project(tmp_path / "mine", data=tmp_path / "repairs.csv", known="finished")
    code = main(["new", str(tmp_path / "other"), "--from", str(tmp_path / "soon.csv"), "--known", "finished"])

    assert any("such as order_id RO-5" in each and "left out" in each for each in found.guessed), found.guessed
    assert code == 1
    assert "100 cells are none, such as 'soon' in row 1" in capsys.readouterr().err


def test_months_too_small_to_watch_are_said_and_no_empty_table_is_shown(weather, capsys):
    capsys.readouterr()

    assert main(["drift", "--home", str(weather[1])]) == 0

    assert "no month since it learnt has 200 rows" in capsys.readouterr().out


def test_what_the_page_says_of_a_suspicion_has_it_found_as_a_leak(tmp_path, capsys):
    repairs().to_csv(tmp_path / "repairs.csv", index=False)
    new_project(tmp_path / "mine", data=tmp_path / "repairs.csv")
    page = tmp_path / "mine" / "problem.py"
    text = page.read_text("utf-8")
    view = re.search(r"(?m)^# +(late = .*)$", text)[1].replace("[…]", '["actual"]')
    text = text.replace("honest = [", f"{view}\nhonest = [").replace(
        "features={", 'features={"late": [*honest, late], '
    )
    page.write_text(text, "utf-8")

    assert main(["leaks", str(page)]) == 2
    assert "late, landed late" in capsys.readouterr().out


@pytest.mark.nightly
def test_a_champion_whose_feature_was_taken_out_is_named_with_the_way_on(tmp_path, capsys):
    repairs().to_csv(tmp_path / "repairs.csv", index=False)
    new_project(tmp_path / "mine", data=tmp_path / "repairs.csv")
    page, home = tmp_path / "mine" / "problem.py", ["--home", str(tmp_path / "home")]
    assert main(["run", str(page), *home, "-q"]) == 0
    page.write_text(re.sub(r'"actual", |, "actual"', "", page.read_text("utf-8"), count=1), "utf-8")
    capsys.readouterr()

    assert main(["run", str(page), *home, "-q"]) == 1
    told = capsys.readouterr().err
    assert "the champion mine v1 needs the feature 'actual'" in told
    command = re.search(r"mlops-lab (registry archive mine 1)", told)[1]
    assert main([*command.split(), "--why", "a leak", *home]) == 0
    assert main(["run", str(page), *home, "-q"]) == 0


def test_what_new_asked_and_nobody_answered_is_said_by_each_run(tmp_path, capsys):
    page = tmp_path / "mine" / "problem.py"
    repairs().to_csv(tmp_path / "repairs.csv", index=False)
    new_project(tmp_path / "mine", data=tmp_path / "repairs.csv")
    assert unconfirmed(page).startswith("problem.py still has 1 SUSPICION and ")
    capsys.readouterr()

    main(["run", str(page), "--home", str(tmp_path / "home"), "--param", "no=1"])
    assert "still has 1 SUSPICION" in capsys.readouterr().err
    page.write_text(re.sub(r"(?m)^ *#.*$|# .*$", "", page.read_text("utf-8")), "utf-8")

    assert unconfirmed(page) == ""


def test_a_time_of_outcomes_with_gaps_is_no_guess_and_is_told(tmp_path):
    frame = repairs().drop(columns="gap").reset_index(drop=True)
    frame.assign(finished=frame["finished"].where(frame.index % 20 != 0)).to_csv(tmp_path / "gaps.csv", index=False)

    found = new_project(tmp_path / "mine", data=tmp_path / "gaps.csv")

    assert found.known is None
    assert any(
        "finished may say it, but in 6" in each and "missing or before received" in each for each in found.unknown
    )


def test_a_column_that_is_written_after_the_decision_is_told_and_one_bad_time_is_left_out(tmp_path):
    frame = repairs().astype({"received": str}).reset_index(drop=True)
    frame.loc[5, "received"] = "soon\n1 / 0"
    frame.to_csv(tmp_path / "repairs.csv", index=False)

    found = new_project(tmp_path / "mine", data=tmp_path / "repairs.csv", created="finished")

    assert any("what was known of 1,197 of 1,197 rows" in each for each in found.unknown)
    assert any("1 row has no time in received, such as order_id RO-5" in each for each in found.guessed)
    assert len(load_problem(tmp_path / "mine" / "problem.py").rows) == 1197
