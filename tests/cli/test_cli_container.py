"""The container commands: each cloud's contract, kept in folders that look like the cloud's."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mlops_lab.base.errors import IntegrityError, InvalidData, TaskFailed, UnknownName
from mlops_lab.cli import main
from mlops_lab.pipeline.dag import DAG, task
from mlops_lab.pipeline.problem import run_one_task, said_no


@task
def first(params):
    return {"n": params["n"]}


@task
def second(first):
    return first["n"] + 1


@task(trigger_rule="all_done")
def last(second):
    return second


def small():
    with DAG("small", params={"n": 1}) as dag:
        last(second(first()))
    return dag


def test_tasks_run_one_by_one_with_what_those_before_returned(tmp_path):
    dag = small()

    ended = [run_one_task(name, home=tmp_path, dag=dag, params={"n": 4}) for name in dag.topological_order()]

    assert [each.result for each in ended] == [{"n": 4}, 5, 5]


def test_a_task_before_its_turn_or_of_another_run_is_refused(tmp_path):
    run_one_task("first", home=tmp_path, dag=small())

    with pytest.raises(InvalidData, match="with this date and these params"):
        run_one_task("second", home=tmp_path, dag=small(), params={"n": 2})
    with pytest.raises(InvalidData, match="comes after 'first'"):
        run_one_task("second", home=tmp_path, dag=small(), date="2013-05-05")
    with pytest.raises(UnknownName, match="Did you mean 'first'"):
        run_one_task("firt", home=tmp_path, dag=small())


def test_a_damaged_result_is_told(tmp_path):
    run_one_task("first", home=tmp_path, dag=small())
    (path,) = tmp_path.glob("tasks/*/first.json")
    path.write_text("{")

    with pytest.raises(IntegrityError, match="result of task 'first'"):
        run_one_task("second", home=tmp_path, dag=small())


def test_a_task_that_fails_is_an_error_and_a_refusal_an_answer(tmp_path):
    @task(task_id="gate")
    def refusing():
        raise InvalidData("the gate refused late v1: too low")

    @task
    def broken():
        raise ValueError("disk full")

    with DAG("two") as dag:
        refusing()
        broken()

    assert said_no(run_one_task("gate", home=tmp_path, dag=dag)) == "refused"
    with pytest.raises(TaskFailed, match="disk full"):
        run_one_task("broken", home=tmp_path, dag=dag)


def test_a_processing_job_takes_a_home_folder_and_leaves_one(tmp_path, capsys):
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "kept.txt").write_text("x")

    words = ["container", "task", "check_data", "--home", str(tmp_path / "home"), "--from", str(tmp_path / "before")]
    code = main(
        [*words, "--evaluation", str(tmp_path / "out" / "evaluation.json"), "--param", "approval=False", "--json"]
    )

    assert code == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0]["state"] == "success"
    assert (tmp_path / "home" / "kept.txt").is_file()
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["gate"] == {"passed": False, "why": ""}


def test_what_sagemaker_packed_is_unpacked_and_nothing_outside(tmp_path, capsys):
    source = tmp_path / "packed"
    source.mkdir()
    (tmp_path / "evil").write_text("x")
    with tarfile.open(source / "model.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "evil", arcname="../../evil.txt")

    words = ["container", "task", "check_data", "--home", str(tmp_path / "a" / "home"), "--from", str(source)]

    assert main(words) == 1
    assert "cannot be unpacked" in capsys.readouterr().err
    assert not list(tmp_path.glob("**/evil.txt"))


def opt_ml(folder, hyperparameters):
    config = folder / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(hyperparameters)
    return folder


def test_a_training_job_reads_its_hyperparameters_and_fills_the_model_folder(tmp_path):
    given = {"tasks": "check_data", "date": '"2013-03-01"', "seed": "1", "sagemaker_region": "x"}
    folder = opt_ml(tmp_path, json.dumps(given))

    code = main(["container", "train", "--opt-ml", str(folder)])

    assert code == 0
    assert list(folder.glob("model/tasks/*/check_data.json"))
    assert not (folder / "output" / "failure").exists()


@pytest.mark.parametrize(
    ("hyperparameters", "told"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no JSON object"),
        ('{"sede": "1"}', "Did you mean 'seed'"),
        ('{"tasks": "trian"}', "Did you mean 'train'"),
    ],
)
def test_a_training_job_that_fails_says_why_where_sagemaker_looks(hyperparameters, told, tmp_path, capsys):
    folder = opt_ml(tmp_path, hyperparameters)

    assert main(["container", "train", "--opt-ml", str(folder)]) == 1
    assert told in (folder / "output" / "failure").read_text()
    assert told in capsys.readouterr().err


def test_a_server_without_a_home_folder_says_where_it_looked(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AIP_STORAGE_URI", raising=False)

    assert main(["container", "serve", "--opt-ml", str(tmp_path)]) == 1
    assert "/mnt/models" in capsys.readouterr().err


def test_a_server_that_is_pointed_at_a_bucket_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/model")

    assert main(["container", "serve"]) == 1
    assert "--build-arg HOME_DIR" in capsys.readouterr().err


def test_options_after_serve_reach_the_server(tmp_path, monkeypatch):
    asked = []
    (tmp_path / "registry.db").touch()
    monkeypatch.setenv("MLOPS_LAB_HOME", str(tmp_path))
    monkeypatch.setattr("mlops_lab.delivery.server.serve", lambda *_, **given: asked.append(given))

    code = main(["container", "serve", "--drain", "2", "--port", "9000", "-q"])

    assert code == 0
    assert [(given["limits"].drain_seconds, given["port"], given["log"].quiet) for given in asked] == [
        (2.0, 9000, True)
    ]


def an_image_s_home(folder, text):
    """What an image holds, as far as a start looks at it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(6):
        (folder / f"{number}.json").write_text("{}")
    (folder / "registry.db").write_text(text)


@pytest.fixture
def baked(tmp_path, monkeypatch):
    """An image's home and a start of its container; the start returns what is served."""
    source, home = tmp_path / "opt" / "model", tmp_path / "work" / "home"
    monkeypatch.setenv("MLOPS_LAB_HOME", str(home))
    monkeypatch.setattr("mlops_lab.cli.container._version", lambda _home: ["late", "1"])
    monkeypatch.setattr("mlops_lab.delivery.server.serve", lambda *_, **__: None)

    def start():
        assert main(["container", "serve", "--opt-ml", str(tmp_path / "opt"), "--port", "0"]) == 0
        return (home / "registry.db").read_text()

    an_image_s_home(source, "v1")
    return source, home, start


def test_an_image_with_another_home_replaces_the_copy_of_the_older_one(baked):
    source, home, start = baked

    first = start()
    (home / "note").touch()
    same = start()
    kept = (home / "note").exists()
    an_image_s_home(source, "v1 and v2")

    assert (first, same, kept) == ("v1", "v1", True)
    assert start() == "v1 and v2"
    assert not (home / "note").exists()
    assert [path.name for path in home.parent.iterdir()] == ["home"]


def test_a_home_that_is_no_copy_is_never_replaced(baked):
    _, home, start = baked
    an_image_s_home(home, "somebody's own")

    assert start() == "somebody's own"


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed with -9")
@pytest.mark.parametrize("there", ["nothing", "an older copy", "a volume"])
@pytest.mark.parametrize("after", [1, 4, 7, 9, 12, 15, 18, 21])
def test_killed_while_it_copies_the_next_start_has_a_whole_home(baked, after, there, tmp_path):
    source, home, start = baked
    if there == "an older copy":
        start()
        (home / "registry.db-wal").write_text("of the older one")
    if there == "a volume":
        (home / "lost+found").mkdir(parents=True)
    an_image_s_home(source, "v2")
    script = (
        "import os, shutil, signal\n"
        "from pathlib import Path\n"
        "from mlops_lab.cli.container import _bring\n"
        "done = []\n"
        "def counted(real):\n"
        "    def call(*words, **more):\n"
        "        done.append(words)\n"
        f"        if len(done) >= {after}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return real(*words, **more)\n"
        "    return call\n"
        "shutil.copytree.__defaults__ = (False, None, counted(shutil.copy2), False, False)\n"
        "Path.replace, Path.unlink = counted(Path.replace), counted(Path.unlink)\n"
        f"_bring(Path({str(source)!r}), Path({str(home)!r}))\n"
    )

    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False, timeout=120)

    assert killed.returncode == (-9 if there != "nothing" or after <= 7 else 0)
    assert start() == "v2"
    kept = {path.name for path in home.iterdir()} - {".copied-from", "lost+found"}
    assert kept == {path.name for path in source.iterdir()}
    assert not [path for path in home.parent.iterdir() if path != home]


def test_a_copy_that_is_not_what_was_copied_is_not_served(baked, monkeypatch, capsys):
    source, home, _ = baked
    monkeypatch.setattr("shutil.copytree", lambda _source, target, **_: an_image_s_home(target, "half"))

    assert main(["container", "serve", "--opt-ml", str(source.parent), "--port", "0"]) == 1
    assert "is not what was copied" in capsys.readouterr().err
    assert not home.exists()
