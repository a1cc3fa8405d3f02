"""scripts/engine_tests.py: which engines a change touches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import engine_tests
import pytest
from engine_tests import ENGINES, SHARED, tell_github, touched

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("changed", "engines"),
    [
        ("mlops_lab/adapters/tecton/export.py", {"tecton"}),
        ("scripts/engine_runs/asking.py", {"airflow", "prefect"}),
        ("constraints/cloud.txt", {"cloud"}),
        ("tests/feast/test_feast_quiet.py", {"feast-mlflow"}),
        ("mlops_lab/adapters/targets.py", set(ENGINES)),
        ("pyproject.toml", set(ENGINES)),
        ("deployment.md", set()),
        ("README.md", set()),
    ],
)
def test_a_change_runs_the_engines_that_it_touches(changed, engines):
    assert {name for name in ENGINES if touched([name], ["LICENSE", changed])} == engines


def test_each_place_that_an_engine_proves_is_there():
    places = {place for engine in ENGINES.values() for place in (*engine.tests, *engine.code)}

    assert [place for place in (*places, *SHARED) if not list(ROOT.glob(place))] == []


def test_each_engine_of_the_package_is_proved():
    folders = list((ROOT / "mlops_lab" / "adapters").glob("*/__init__.py"))

    unproved = [path.parent.name for path in folders if not touched(list(ENGINES), [f"{path.relative_to(ROOT)}"])]

    assert len(folders) > 7
    assert unproved == []


@pytest.mark.parametrize(("since", "told"), [("HEAD", "any=false"), ("0" * 40, "any=true")])
def test_github_reads_the_answer_and_an_unknown_commit_runs_all(tmp_path, monkeypatch, since, told):
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setattr(engine_tests.environment, "ROOT", tmp_path)
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], [*who, "commit", "-qm", "x", "--allow-empty"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)

    code = tell_github(["tecton"], since)

    assert code == 0
    assert (tmp_path / "output").read_text() == f"{told}\n"


@pytest.mark.parametrize("name", [name for name, engine in ENGINES.items() if engine.extras])
def test_an_engine_is_installed_at_the_versions_of_its_own_list(name, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(engine_tests.environment, "run", lambda command, *_: ran.append(command) or (0, ""))
    monkeypatch.setattr(engine_tests.environment, "PINNED", ("pyproject.toml", engine_tests.pinned(name)))

    engine_tests.environment.fill(["pip", "install"], list(ENGINES[name].extras), print, 0)

    assert ran == [
        [
            "pip",
            "install",
            "--constraint",
            f"constraints/{name}.txt",
            "--editable",
            f".[{','.join(ENGINES[name].extras)}]",
        ]
    ]
    assert (ROOT / ran[0][3]).is_file()


@pytest.mark.parametrize(
    ("words", "code", "told"), [(["--help"], 0, "test-engines [NAMES]"), (["feast", "airfow"], 2, "or test 'feast'")]
)
def test_help_and_a_wrong_name_install_nothing(words, code, told, monkeypatch, capsys):
    monkeypatch.setattr(engine_tests, "prepare", lambda name: pytest.fail(f"{name} was installed"))

    assert engine_tests.main(words) == code
    assert told in "".join(capsys.readouterr())
