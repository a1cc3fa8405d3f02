"""Does the whole pipeline give the same figures and the same verdicts on Feast and MLflow, from the command line?"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlops_lab.adapters.promises import KEPT_RUN, kept_runs

SHORT = ["--date", "2013-06-01", "--author", KEPT_RUN["author"]]
SHORT += [
    word for name in ("train_from", "holdout_days", "watch_days") for word in ("--param", f"{name}={KEPT_RUN[name]}")
]
ENGINES = ["--features-engine", "feast", "--registry-engine", "mlflow"]


def mlops_lab(*words, home):
    """One command in a process of its own: its exit code, its standard output and its standard error."""
    command = [sys.executable, "-m", "mlops_lab", *words, "--home", home]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("engines")


@pytest.mark.parametrize(
    ("features", "code"), [("as_known", 0), pytest.param("daily_averages", 2, marks=pytest.mark.nightly)]
)
def test_figures_and_verdict_are_those_of_the_embedded_engines(home, features, code):
    words = ["run", *SHORT, *ENGINES, "--features", features, "--quiet", "--json"]

    found, said, _ = mlops_lab(*words, home=home)

    told = json.loads(said)
    figures = {name: round(value, 3) for name, value in told["figures"].items()}
    assert found == code
    assert told["engines"] == {"features": "feast", "registry": "mlflow"}
    assert {**figures, "verdict": told["outcome"]} == kept_runs()[features]["feast and mlflow"]
    assert kept_runs()[features]["feast and mlflow"] == kept_runs()[features]["embedded"]


@pytest.mark.nightly
def test_later_commands_find_what_the_run_left(home):
    found = {
        words: mlops_lab(*words, home=home) for words in (("registry", "history"), ("lineage",), ("registry", "verify"))
    }

    assert [code for code, _, _ in found.values()] == [0, 0, 0]
    assert "transition_stage  Staging → Production" in found[("registry", "history")][1]
    assert "airport_weather" in found[("lineage",)][1]
    assert found[("registry", "verify")][1].startswith("✓ verified")
    assert [said for _, _, said in found.values()] == ["", "", ""]


def test_a_registry_can_be_copied_home_again(home):
    trained = len(json.loads(mlops_lab("registry", "list", "--json", home=home)[1])["versions"])
    code, said, _ = mlops_lab("registry", "copy", "--to", "embedded", home=home)
    _, history, _ = mlops_lab("registry", "history", home=home)

    assert code == 0
    assert f"copied and verified: {trained} run" in said  # one by day, and the refused one too at night
    assert "Staging → Production" in history
