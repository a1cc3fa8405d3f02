"""The parts, one by one, on the home folder that two runs have filled."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from rich.cells import cell_len

import mlops_lab
from mlops_lab.base.errors import IntegrityError
from mlops_lab.delivery.server import load_predictor
from mlops_lab.pipeline.dag import from_json, from_yaml
from mlops_lab.pipeline.flights import FLIGHTS_POLICY, flights_pipeline

SHORT = (
    *("--date", "2013-06-01", "--param", "train_from=2013-05-01"),
    *("--param", "holdout_days=10", "--param", "watch_days=3"),
)
LOOKS = [
    (["registry", "list"], {"models", "versions"}),
    (["registry", "show", "1"], {"version", "run", "gate", "approval"}),
    (["registry", "history"], {"events", "head"}),
    (
        ["registry", "verify"],
        {"verified", "events", "reports", "approvals", "artifacts", "runs", "training_sets", "head"},
    ),
    (["registry", "pending"], {"pending"}),
    (["registry", "production-at", "2013-10-01"], {"at", "name", "version"}),
    (["lineage", "--rows", "2"], {"nodes", "edges", "rows"}),
    (["lineage", "--view", "airport_weather"], {"nodes", "edges"}),
    (["rollout", "status"], {"rollout", "promotion"}),
    (["gate", "--version", "1"], {"gate", "exit_code", "recorded", "policy_file"}),
    (["features", "list"], {"entities", "feature_views", "feature_services"}),
    (["features", "describe", "airport_weather"], {"definition"}),
    (["features", "online", "--features", "airport_weather", "--key", "origin=JFK"], {"features"}),
    (["dag", "list"], {"runs"}),
    (["dag", "draw", "--run", "last"], {"dag", "states", "written"}),
    (["dag", "next", "--after", "2013-09-01"], {"schedule", "timezone", "next"}),
    (
        ["dag", "backfill", "--from", "2013-09-01", "--to", "2013-09-02", "--dry-run"],
        {"dag_id", "dry_run", "exit_code", "runs"},
    ),
    (["doctor"], {"ready", "exit_code", "checks"}),
]
IDS = ["-".join(words[:2]).lstrip("-") for words, _ in LOOKS]


@pytest.mark.slow
@pytest.mark.parametrize(("words", "keys"), LOOKS, ids=IDS)
def test_json_is_one_object_with_stable_keys(words, keys, filled):
    answer = filled(*words, "--json")

    assert (answer.code, answer.err) == (0, "")
    assert set(answer.json) == keys


def test_the_report_of_a_version_is_markdown_as_the_pipeline_kept_it(filled):
    answer = filled("registry", "show", "1", "--markdown")

    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("# late_flights v1: ")
    assert "| roc_auc | " in answer.out
    assert "say --markdown or --json" in filled("registry", "show", "1", "--markdown", "--json").err


@pytest.mark.parametrize(("words", "keys"), LOOKS, ids=IDS)
def test_no_line_is_wider_than_the_page(words, keys, filled, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    answer = filled(*words)

    hashes = ("sha256:", "/", "\\")  # a hash or a path stays whole: whoever copies it needs all of it
    assert [
        line for line in answer.out.splitlines() if cell_len(line) > 80 and not any(h in line for h in hashes)
    ] == []
    assert answer.out


@pytest.mark.parametrize(("words", "keys"), LOOKS, ids=IDS)
def test_text_is_plain_in_a_pipe_and_looking_changes_nothing(words, keys, untouched):
    terminal, before = untouched

    answer = terminal(*words)

    assert (answer.code, answer.err) == (0, "")
    assert answer.out.strip()
    assert "\x1b" not in answer.out
    assert terminal.state() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["registry", "show", "9"], "no version '9'"),
        (["registry", "show", "late_flight", "1"], "Did you mean 'late_flights'?"),
        (["registry", "show", "late_flights", "champian"], "Did you mean 'champion'?"),
        (["registry", "show", "a", "1", "b"], "more than a name and a version"),
        (["registry", "list", "../../etc/passwd"], "cannot name a model"),
        (["registry", "history", "late_flights/../x"], "cannot name a model"),
        (["registry", "alias", "../champion", "1"], "cannot name an alias"),
        (["registry", "alias", "champion", "1"], "follows Production"),
        (["registry", "alias", "challenger"], "say which version"),
        (["registry", "production-at", "2013-10-01T06:00:00"], "no time zone"),
        (["registry", "verify", "--head", "sha256:" + "1" * 64], "history"),
        (["registry", "approve", "1", "--by", "grace"], "nobody asked"),
        (["registry", "request", "2", "--by", "ada"], "no passed gate report"),
        (["registry", "rollback", "--by", "ada"], "nothing to go back to"),
        (["lineage", "--view", "airport_wether"], "no feature view 'airport_wether'"),
        (["lineage", "--draw", "picture.jpeg"], "no file type"),
        (["lineage", "--draw", "nowhere/picture.dot"], "cannot write"),
        (["lineage", "1", "--view", "airport_weather"], "without a version"),
        (["rollout", "stop", "--by", "ada"], "nothing to stop"),
        (["rollout", "status", "2"], "never promoted"),
        (["gate", "--version", "3"], "no version '3'"),
        (["gate", "--policy", "absent.yml"], "cannot read"),
        (["gate", "--policy", "policy.toml"], "no file type"),
        (["features", "describe", "airport_wether"], "Did you mean 'airport_weather'?"),
        (["features", "online", "--features", "airport_weather:tmp", "--key", "origin=JFK"], "Did you mean 'temp'?"),
        (["features", "online", "--features", "airport_weather", "--key", "dest=JFK"], "origin"),
        (["features", "online", "--features", "airport_weather", "--key", "origin"], "name=value"),
        (["dag", "show", "manual__2012"], "no run 'manual__2012'"),
        (["dag", "draw", "--out", "dag.gif"], "no file type"),
        (["dag", "backfill", "--from", "2013-09-02", "--to", "2013-09-01"], "before"),
        (["dag", "backfill", "--from", "2013-01-01", "--to", "9000-01-01"], "shorter range"),
        (["dag", "next", "--after", "2013-09-01T10:00"], "no time zone"),
    ],
)
def test_a_wrong_word_is_one_line_and_changes_nothing(words, told, untouched):
    terminal, before = untouched

    answer = terminal(*words)

    assert (answer.code, answer.out) == (1, "")
    assert told in answer.line
    assert terminal.state() == before


@pytest.mark.parametrize("words", [words for words, _ in LOOKS if words[0] in ("registry", "lineage", "rollout")])
def test_looking_into_a_home_that_is_not_there_does_not_make_it(words, empty):
    answer = empty(*words)

    assert answer.code == 1
    assert "mlops-lab run --home" in answer.line
    assert not empty.home.exists()


@pytest.mark.parametrize(
    ("words", "version"),
    [(["late_flights"], 1), ([], 1), (["latest"], 2), (["late_flights", "latest"], 2), (["champion"], 1), (["v2"], 2)],
    ids=["name", "nothing", "latest", "name-latest", "alias", "number"],
)
def test_without_a_version_every_command_means_the_one_in_production(words, version, filled):
    shown = filled("registry", "show", *words, "--json").json["version"]["version"]
    nodes = filled("lineage", *words, "--json").json["nodes"]

    assert shown == version
    assert [node["title"] for node in nodes if node["kind"] == "version"] == [f"late_flights v{version}"]


@pytest.mark.parametrize("width", [100, 60, 40])
def test_no_table_is_wider_than_the_page_and_nothing_of_it_is_cut_away(width, filled, monkeypatch):
    looks = (["registry", "list"], ["registry", "show", "1"], ["dag", "list"], ["features", "list"])
    whole = [sorted("".join(filled(*words).out.split())) for words in looks]

    monkeypatch.setattr("mlops_lab.cli.answers.page_width", lambda: width)
    tables = [filled(*words).out for words in looks]

    assert max(cell_len(line) for text in tables for line in text.splitlines()) <= width
    assert [sorted("".join(text.split())) for text in tables] == whole


@pytest.mark.parametrize("words", [["features", "list"], ["dag", "list"], ["dag", "draw"], ["doctor"]])
def test_what_needs_no_home_makes_none(words, empty):
    assert empty(*words).code == 0
    assert not empty.home.exists()


def test_the_home_may_come_from_the_environment(filled, monkeypatch, capsys):
    from mlops_lab.cli import main

    monkeypatch.setenv("MLOPS_LAB_HOME", str(filled.home))

    assert main(["registry", "list"]) == 0
    assert "late_flights" in capsys.readouterr().out


def test_history_is_one_line_an_event(filled):
    answer = filled("registry", "history")

    events = filled("registry", "history", "--json").json["events"]
    assert len(answer.out.splitlines()) == len(events)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_a_pipe_gets_whole_lines(terminal):
    name = "the_best_that_knows_the_weather_of_" + "january_" * 5
    terminal("registry", "alias", name, "late_flights", "2", "--by", "ada", "--why", "it knows January " * 5)

    listed, told = terminal("registry", "list").out, terminal("registry", "history").out

    assert len(listed.splitlines()) == 3
    assert name in listed
    assert "it knows January " * 5 in told


def test_a_changed_history_is_noticed(terminal):
    with sqlite3.connect(terminal.home / "registry.db") as connection:
        triggers = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for trigger in triggers:
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE events SET actor = 'nobody' WHERE seq = 2")
    connection.close()

    verify, doctor = terminal("registry", "verify"), terminal("doctor")

    assert (verify.code, doctor.code) == (1, 1)
    assert "event 2 of the history" in verify.line
    assert "✗  registry" in doctor.out


@pytest.mark.parametrize("table", ["aliases SET version = 2 WHERE alias = 'champion'", "versions SET verdict = 1"])
def test_a_champion_of_an_edited_table_is_not_served(table, terminal):
    with closing(sqlite3.connect(terminal.home / "registry.db", isolation_level=None)) as connection:
        connection.execute(f"UPDATE {table}")

    with pytest.raises(IntegrityError, match="for 'late_flights'"):
        load_predictor(terminal.home, "late_flights")


def test_a_refused_version_is_not_promoted_whoever_asks(terminal):
    before = terminal.state()

    answer = terminal("registry", "promote", "2", "--by", "the boss", "--why", "the chart looks great")

    assert answer.code == 2
    assert "the gate refused late_flights v2" in answer.line
    assert terminal.state() == before


def test_a_version_in_the_archive_does_not_jump_into_production(terminal):
    archived = terminal("registry", "archive", "1", "--by", "ada")

    answer = terminal("registry", "promote", "1", "--by", "ada")

    assert archived.code == 0
    assert (answer.code, "Archived" in answer.line) == (1, True)
    assert terminal("registry", "list", "--json").json["versions"][0]["stage"] == "Archived"


def test_an_alias_of_ones_own_finds_its_version_until_it_is_taken_away(terminal):
    terminal("registry", "alias", "challenger", "late_flights", "2", "--by", "ada")

    found = terminal("registry", "show", "late_flights", "challenger", "--json").json["version"]["version"]
    deleted = terminal("registry", "alias", "challenger", "--delete", "--by", "ada")

    assert (found, deleted.code) == (2, 0)
    assert terminal("registry", "show", "late_flights", "challenger").code == 1


def test_the_standing_verdict_decides_the_exit_code_of_the_gate(filled):
    codes = {number: filled("gate", "--version", number).code for number in ("1", "2", "champion", "latest")}

    assert codes == {"1": 0, "2": 2, "champion": 0, "latest": 2}


def test_the_printed_policy_judges_as_the_pipeline_did(filled, tmp_path):
    (tmp_path / "same.yml").write_text(filled("gate", "--print-policy").out)

    answers = [filled("gate", "--version", each, "--policy", "same.yml", "--json") for each in (1, 2)]

    assert [answer.code for answer in answers] == [0, 2]
    stored = [filled("gate", "--version", each, "--json").json["gate"] for each in (1, 2)]
    assert [answer.json["gate"] for answer in answers] == stored
    assert filled("gate", "--print-policy", "--json").json == json.loads(json.dumps(FLIGHTS_POLICY.to_dict()))


@pytest.mark.parametrize(
    ("rules", "code", "told"),
    [
        ("rules: [{rule: floor, metric: served.roc_auc, bound: 0.99}]", 2, "below the floor"),
        ("rules: [{rule: floor, metric: served.beauty, bound: 0.5}]", 2, "was not measured"),
        ("rules: [{rule: flor, metric: served.roc_auc, bound: 0.5}]", 1, "Did you mean 'floor'?"),
        ("rules: [{rule: floor, metric: served.roc_auc, bond: 0.5}]", 1, "Did you mean 'bound'?"),
        ("rules: [{rule: floor, metric: served.roc_auc, bound: .nan}]", 1, "policy.yml"),
        ("rules: []", 1, "without rules"),
        ("rules: [{rule: floor", 1, "line"),
        ("rules: !!python/object/apply:os.system [ls]", 1, "policy.yml"),
        ("just words", 1, "a policy is a mapping"),
        ("", 1, "a policy is a mapping"),
    ],
)
def test_another_policy_is_read_with_care_and_records_nothing(rules, code, told, untouched, tmp_path):
    (tmp_path / "policy.yml").write_text(rules)
    terminal, before = untouched

    answer = terminal("gate", "--version", "1", "--policy", "policy.yml")

    assert answer.code == code
    assert told in " ".join((answer.out if code == 2 else answer.line).split())
    assert terminal.state() == before


def test_a_policy_that_is_no_text_is_one_line(filled, tmp_path):
    (tmp_path / "policy.json").write_bytes(b"\xff\xfe\x00")

    answer = filled("gate", "--policy", "policy.json")

    assert (answer.code, "UTF-8" in answer.line) == (1, True)


def test_lineage_goes_back_to_the_rows_and_is_drawn(filled, tmp_path):
    answer = filled("lineage", "1", "--rows", "2", "--draw", tmp_path / "lineage.svg")

    assert answer.code == 0
    assert "2013-04-30-B6-112-JFK" in answer.out
    assert (tmp_path / "lineage.svg").read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize("suffix", ["svg", "dot", "txt"])
def test_the_dag_is_drawn_with_the_states_of_a_run(suffix, filled, tmp_path):
    path = tmp_path / f"dag.{suffix}"

    answer = filled("dag", "draw", "--run", "last", "--out", path)

    assert answer.code == 0
    assert "upstream_failed" in path.read_text("utf-8")


def test_a_run_is_shown_again_as_it_ended(runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # as when it ran
    terminal, honest, _ = runs
    first = terminal("dag", "list", "--json").json["runs"][0]["run_id"]

    assert terminal("dag", "show", first).out.splitlines()[:20] == honest.out.splitlines()[:20]


def test_a_rollout_that_is_over_stays_over_when_it_is_resumed(terminal):
    before = terminal.state()

    answer = terminal("rollout", "resume", "--json")

    assert (answer.code, answer.json["rollout"]["state"]) == (0, "finished")
    assert terminal.state() == before


@pytest.mark.slow
def test_a_version_promoted_by_hand_rolls_out_when_it_is_told_to(terminal):
    terminal("run", *SHORT, "--author", "ada", "--param", "approval=true", "-q")
    terminal("registry", "approve", "latest", "--by", "grace")
    promoted = terminal("registry", "promote", "latest", "--by", "ada")
    begun = terminal("rollout", "status", "--json")
    stopped = terminal("rollout", "stop", "--by", "ada")
    done = terminal("rollout", "resume", "--json")

    assert (promoted.code, begun.json["rollout"], begun.json["promotion"]["version"]) == (0, None, 3)
    assert (stopped.code, "has not begun" in stopped.line) == (1, True)
    assert (done.code, done.json["rollout"]["champion"], done.json["rollout"]["version"]) == (0, 1, 3)


@pytest.mark.nightly
def test_a_rejected_version_stays_out_whatever_is_resumed(terminal):
    terminal("run", *SHORT, "--author", "ada", "--param", "approval=true", "-q")
    rejected = terminal("registry", "reject", "latest", "--by", "grace", "--comment", "not on a holiday")

    resumed = terminal("run", "--resume", "last", "-q")

    assert (rejected.code, resumed.code) == (0, 1)
    assert "rejected by grace: not on a holiday" in resumed.line
    assert terminal("registry", "list", "--json").json["versions"][0]["stage"] == "Production"


@pytest.mark.parametrize(("target", "read"), [("yaml", from_yaml), ("json", from_json)])
def test_an_export_reads_back_as_the_same_dag(target, read, filled, tmp_path):
    from mlops_lab.cli import main

    assert main(["export", target, "--out", str(tmp_path / "flights")]) == 0
    assert read((tmp_path / "flights").read_text("utf-8")) == flights_pipeline()


def test_a_backfill_stops_at_the_first_failure_and_tries_it_again(empty):
    words = ("dag", "backfill", "--from", "2012-09-01", "--to", "2012-09-02", "-q")

    first, again = empty(*words, "--json"), empty(*words)

    assert (first.code, again.code) == (1, 1)
    assert [run["outcome"] for run in first.json["runs"]] == ["failed"]
    assert "stopped at 2012-09-01" in again.err
    assert len(empty("dag", "list", "--json").json["runs"]) == 1


@pytest.mark.slow
def test_a_backfill_skips_the_dates_that_are_done(terminal):
    short = ("--param", "train_from=2013-05-01", "--param", "holdout_days=10", "--param", "watch_days=1")
    words = ("dag", "backfill", "--from", "2013-06-01", "--to", "2013-06-01", *short, "-q")
    first = terminal(*words, "--json")

    again = terminal(*words)
    planned = terminal(*words, "--dry-run", "--json")

    outcome = first.json["runs"][0]["outcome"]
    assert (first.code, outcome in ("promoted", "rolled back", "refused")) == (0, True)
    assert (again.code, again.out) == (0, "0 run, 1 done before and skipped, 0 not reached.\n")
    assert planned.json["runs"][0]["outcome"] == outcome


def test_the_last_day_of_a_backfill_is_in_it(empty):
    answer = empty("dag", "backfill", "--from", "2013-11-02", "--to", "2013-11-03", "--dry-run", "--json")

    dates = [run["logical_date"] for run in answer.json["runs"]]
    assert dates == ["2013-11-02T10:00:00+00:00", "2013-11-03T11:00:00+00:00"]


def test_the_doctor_names_what_is_missing_and_how_to_get_it(filled, monkeypatch):
    from importlib import metadata

    known = metadata.version

    def version(name):
        if name in ("croniter", "duckdb"):
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "click" else known(name)

    monkeypatch.setattr("importlib.metadata.version", version)

    answer = filled("doctor")

    lines = {line.split()[1]: line for line in answer.out.splitlines() if len(line.split()) > 1}
    assert answer.code == 1
    assert lines["croniter"].startswith("✗")
    assert "pip install 'croniter" in answer.out
    assert lines["click"].startswith("✗")
    assert lines["bench"].startswith("–")
    assert "mlops-lab[bench]" in answer.out


def test_the_doctor_sees_a_home_that_cannot_be_one(empty):
    empty.home.write_text("a file")

    answer = empty("doctor")

    assert (answer.code, "is no folder" in " ".join(answer.out.split())) == (1, True)  # long paths wrap


def test_lab_opens_jupyterlab_in_the_clone(monkeypatch, tmp_path):
    from mlops_lab.cli import main

    started = []

    class Process:
        def __init__(self, command):
            started.append(command)

        def wait(self):
            return 7

    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text("{}")
    monkeypatch.setattr(mlops_lab, "__file__", str(tmp_path / "mlops_lab" / "__init__.py"))
    monkeypatch.setattr(subprocess, "Popen", Process)

    code = main(["lab", "--no-browser", "--port", "9000"])

    assert code == 7
    assert started[0][:3] == [sys.executable, str(tmp_path / "scripts" / "course_server.py"), "lab"]
    assert started[0][-3:] == ["--no-browser", "--port", "9000"]


def test_lab_without_notebooks_says_where_they_are(monkeypatch, tmp_path, capsys):
    from mlops_lab.cli import main

    monkeypatch.setattr(mlops_lab, "__file__", str(Path(tmp_path) / "site-packages" / "mlops_lab" / "__init__.py"))

    code = main(["lab"])

    told = capsys.readouterr()
    assert (code, told.out, told.err.count("\n")) == (1, "", 1)
    assert "clone the repository" in told.err
