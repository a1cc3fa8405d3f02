"""`export` at a terminal: where the text goes, and one clear line where it cannot go there."""

from __future__ import annotations

import pytest
from compare_engines import main as compare

from mlops_lab.cli import main


def test_a_dash_is_the_terminal_and_no_file_of_that_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    code = main(["export", "yaml", "--out", "-"])

    assert code == 0
    assert capsys.readouterr().out.startswith("format: mlops-lab/dag\n")
    assert list(tmp_path.iterdir()) == []


def test_the_folders_of_a_file_are_made_as_the_examples_promise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    codes = [main(["export", target, "--out", f"dags/new/{target}.txt"]) for target in ("airflow", "airflow", "vertex")]

    assert codes == [0, 0, 0]
    assert sorted(each.name for each in (tmp_path / "dags/new").iterdir()) == ["airflow.txt", "vertex.txt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "file/new.py"], "cannot make 'file'"),
        (["--out", "."], "cannot write '.'"),
        (["--out", ""], "cannot write"),
        (["--to", "x"], "airflow is one file without an image"),
        (["--image", "a:b"], "Write it with --out FILE."),
        (["--out", "nul\x00"], "cannot write"),
    ],
    ids=ascii,
)
def test_what_cannot_be_written_is_said_in_one_line(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    code = main(["export", "airflow", *arguments])

    error = capsys.readouterr().err
    assert code == 1
    assert said in error
    assert error.count("\n") == 1


def test_asking_how_the_comparison_works_asks_no_engine(capsys):
    with pytest.raises(SystemExit, match="0"):
        compare(["--help"])

    assert "It takes some minutes" in capsys.readouterr().out
