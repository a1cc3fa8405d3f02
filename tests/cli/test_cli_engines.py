"""What does somebody hear who asks for an engine that is not there, not known, or not this home folder's?"""

from __future__ import annotations

import pytest

from mlops_lab.adapters.desk import Desk
from mlops_lab.adapters.mlflow import connection as mlflow_connection
from mlops_lab.base.errors import IntegrityError
from mlops_lab.cli import main
from mlops_lab.pipeline import engines as choice
from mlops_lab.pipeline.engines import Engines, choose_engines, engines_of


@pytest.fixture
def installed(monkeypatch):
    """Says which engines are installed, whatever is."""

    def only(*names):
        monkeypatch.setattr(choice, "find_spec", lambda name: object() if name in names else None)

    return only


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--registry-engine", "mlflow"], "install it with: pip install 'mlops-lab[mlflow]'"),
        (["--features-engine", "feast"], "install it with: pip install 'mlops-lab[feast]'"),
        (["--registry-engine", "mflow"], "Did you mean 'mlflow'?"),
        (["--registry-uri", "http://127.0.0.1:1"], "only the registry engine mlflow has one"),
    ],
)
def test_an_engine_that_cannot_be_is_one_line_and_leaves_nothing_behind(tmp_path, installed, capsys, words, told):
    installed()
    home = tmp_path / "home"

    code = main(["run", "--home", str(home), *words])

    said = capsys.readouterr()
    assert (code, said.out, said.err.count("\n")) == (1, "", 1)
    assert told in said.err
    assert not home.exists()


def test_a_home_remembers_its_engines_once_the_server_has_answered(tmp_path, installed, monkeypatch):
    installed("mlflow", "feast")
    asked = []
    monkeypatch.setattr(mlflow_connection, "connect", lambda home, uri: asked.append((uri, engines_of(home).registry)))

    chosen = choose_engines(tmp_path, features="feast", registry="mlflow", registry_uri="http://127.0.0.1:5000")

    assert chosen == engines_of(tmp_path) == Engines("feast", "mlflow", "http://127.0.0.1:5000")
    assert choose_engines(tmp_path) == chosen
    assert [path.name for path in tmp_path.iterdir()] == ["engines.json"]
    assert asked == [("http://127.0.0.1:5000", "embedded")]


def test_a_server_that_does_not_answer_is_told_at_once_and_not_remembered(tmp_path, installed, monkeypatch, capsys):
    installed("mlflow")
    monkeypatch.setattr(mlflow_connection, "find_spec", lambda _: object())

    code = main(["run", "--home", str(tmp_path), "--registry-engine", "mlflow", "--registry-uri", "http://127.0.0.1:9"])

    assert code == 1
    told = capsys.readouterr().err.splitlines()
    assert told == ["mlops-lab: MLflow at http://127.0.0.1:9 refuses: nobody answers there (Connection refused)"]
    assert engines_of(tmp_path) == Engines()


def test_a_home_with_a_history_names_the_command_that_copies_it(tmp_path, installed, capsys):
    installed("mlflow")
    desk = Desk(tmp_path)
    desk.version()
    desk.close()

    code = main(["run", "--home", str(tmp_path), "--registry-engine", "mlflow"])

    assert code == 1
    assert "mlops-lab registry copy --to mlflow" in capsys.readouterr().err
    assert engines_of(tmp_path) == Engines()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"features": "abacus"}', '{"more": 1}'])
def test_a_damaged_choice_is_one_clear_error(tmp_path, text):
    (tmp_path / "engines.json").write_text(text)

    with pytest.raises(IntegrityError, match=r"engines\.json"):
        engines_of(tmp_path)


def test_copying_to_where_it_is_already_is_refused(tmp_path, capsys):
    desk = Desk(tmp_path)
    desk.version()
    desk.close()

    code = main(["registry", "copy", "--to", "embedded", "--home", str(tmp_path)])

    assert code == 1
    assert "kept by embedded already" in capsys.readouterr().err
