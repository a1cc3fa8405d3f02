"""Asking an engine: one answer, from a process that leaves nothing behind, and clear words when there is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from compare_engines import DATES, live_comparison, questions
from engine_runs import asking
from engine_runs.asking import ask
from engine_runs.running import Answer, Record, Verdict

from mlops_lab.adapters import comparison
from mlops_lab.adapters.comparison import Comparison, compare_engines, python_of, stored_comparison
from mlops_lab.base.errors import MissingExtra, MlopsLabError

SCRIPTS = Path(asking.__file__).parents[1]
posix_only = pytest.mark.skipif(os.name == "nt", reason="plants a program as a shell script")


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """An engine `airflow` that is a shell script: its arguments are -m, a module, the job and the answer."""

    def plant(script):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("MLOPS_LAB_AIRFLOW_PYTHON", str(program))

    return plant


def is_alive(pid: int) -> bool:
    """Whether the process still runs; one that is dead and not yet reaped does not."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(found) and not found.startswith("Z")


@posix_only
def test_the_answer_is_what_the_engine_wrote(planted):
    planted('cat "$3" >&2; printf \'{"version": "9", "home": "%s"}\' "$AIRFLOW_HOME" > "$4"')

    answer = ask("airflow", {"dates": []})

    assert answer["version"] == "9"
    assert not os.path.exists(answer["home"])


@posix_only
def test_settings_of_an_engine_on_this_machine_do_not_reach_it(planted, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", "elsewhere")
    planted('printf \'{"folder": "%s"}\' "$AIRFLOW__CORE__DAGS_FOLDER" > "$4"')

    assert ask("airflow", {})["folder"] == ""


@posix_only
def test_an_engine_that_fails_is_told_with_its_last_words(planted):
    planted("echo 'database is locked' >&2; exit 1")

    with pytest.raises(MlopsLabError, match="airflow gave no answer: database is locked"):
        ask("airflow", {})


@posix_only
@pytest.mark.parametrize(("ending", "told"), [("wait", "no end within the time"), ("exit", "gave no answer")])
def test_what_an_engine_started_is_ended_with_it(planted, tmp_path, ending, told):
    planted(f"sleep 600 & echo $! > {tmp_path}/child; {ending}")

    with pytest.raises(MlopsLabError, match=told):
        ask("airflow", {}, timeout=1)

    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 20
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(child)


@pytest.mark.slow
@posix_only
def test_an_engine_ends_when_the_one_that_asked_is_killed(tmp_path):
    engine = (
        f"import sys, time; sys.path.insert(0, {str(SCRIPTS)!r}); "
        "from engine_runs.asking import end_with_parent as e; e(); print(1, flush=True); time.sleep(600)"
    )
    asker = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {engine!r}], start_new_session=True, stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-uc", asker], stdout=subprocess.PIPE, text=True) as process:
        pid = int(process.stdout.readline())
        process.kill()

    until = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_an_engine_that_is_not_installed_is_named_with_the_command_that_installs_it():
    with pytest.raises(MissingExtra, match=r"pip install 'mlops-lab\[nowhere\]'"):
        python_of("nowhere")


def test_the_stored_comparison_shows_one_model_and_one_verdict_on_three_engines():
    rows = dict(stored_comparison().rows)

    assert list(stored_comparison().versions) == ["ours", "airflow", "prefect"]
    for what in (
        "honest features: verdict",
        "leaking features: verdict",
        "leaking features: not run",
        "tasks and edges",
    ):
        assert len(set(rows[f"flights{', ' if 'features' in what else ': '}{what}"].values())) == 1, what
    assert set(rows["a third try succeeds: attempts"].values()) == {"3"}


def test_the_stored_comparison_has_a_row_for_everything_that_is_looked_at_now():
    run = Record(
        "ours", waits={"flaky": [1.0]}, attempts={"flaky": 1, "breaks": 1}, verdict=Verdict("sha256:1", True, "")
    )
    answer = Answer("ours", "1", tuple(run for _ in questions()), tuple(() for _ in DATES))

    asked = [what for what, _ in live_comparison({"ours": answer}).rows]

    assert [what for what, _ in stored_comparison().rows] == asked


def test_a_comparison_is_a_table_and_json():
    found = Comparison({"ours": "1", "airflow": "3"}, (("tries", {"ours": "3"}),))

    assert found.table().splitlines()[1].split() == ["tries", "3"]
    assert json.loads(json.dumps(found.to_dict()))["rows"] == [{"what": "tries", "ours": "3"}]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone on a machine that has both engines; its script is the one that is written here."""
    monkeypatch.delenv("MLOPS_LAB_ENGINES", raising=False)
    monkeypatch.setattr(comparison, "ROOT", tmp_path)
    for engine in ("AIRFLOW", "PREFECT"):
        monkeypatch.setenv(f"MLOPS_LAB_{engine}_PYTHON", sys.executable)
    (tmp_path / "scripts").mkdir()
    return tmp_path / "scripts" / "compare_engines.py"


def test_a_clone_that_has_both_engines_asks_them(clone):
    clone.write_text('import sys; print(\'{"versions": {"ours": "9"}, "rows": [{"what": "%s"}]}\' % sys.argv[1])')

    found, source = compare_engines()

    assert (dict(found.versions), found.rows) == ({"ours": "9"}, (("--json", {}),))
    assert source == "from live runs on this machine"


def test_engines_that_fail_there_are_told_with_their_last_words(clone):
    clone.write_text("raise SystemExit('airflow gave no answer')")

    with pytest.raises(MlopsLabError, match="the engines gave no answer: airflow gave no answer"):
        compare_engines()


def test_without_the_script_the_stored_comparison_is_shown(clone):
    assert compare_engines()[1].startswith("from runs that are stored with the course")
