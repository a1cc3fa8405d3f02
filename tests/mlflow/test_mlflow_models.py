"""Is a model in MLflow the very model, found by the names that MLflow's users use, here and through a server?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData
from mlops_lab.models.registry import GateReport, RuleResult


@pytest.fixture(scope="module", params=["file", "server"])
def kept(request, tmp_path_factory):
    """A home whose MLflow has two versions of a real model, the second one promoted."""
    import pandas as pd

    from mlops_lab.adapters.mlflow.registry import MlflowRegistry
    from mlops_lab.adapters.mlflow.tracker import MlflowTracker
    from mlops_lab.adapters.promises import prepare_home
    from mlops_lab.data.features import TrainingSet
    from mlops_lab.models.training import train

    home, clock = tmp_path_factory.mktemp("home"), FakeClock()
    uri = request.getfixturevalue("server") if request.param == "server" else None
    if uri is None:
        prepare_home(home)
    tracker, registry = MlflowTracker(home, clock=clock, uri=uri), MlflowRegistry(home, clock=clock, uri=uri)
    times = pd.date_range("2013-08-01", periods=90, freq="D", tz="UTC")
    rows = pd.DataFrame({"event_timestamp": times, "hour": [n % 24 for n in range(90)]})
    rows["carrier"] = ["UA", "AA", None] * 30
    rows["late"] = [n % 24 > 15 for n in range(90)]
    known = TrainingSet(rows, features=("hour", "carrier"), service="plain", views=("plain",), time_range=None)
    name = f"late_{request.param}"
    for seed in (0, 1):
        run = train(known, tracker, label="late", split_at=times[60], seed=seed, author="ada", name="train")
        version = registry.register_model(run, name, description="a small one", tags={"team": "delays"})
        report = GateReport(
            name=name, version=version.version, artifact=version.artifact,
            results=(RuleResult("floor", True, 0.9, 0.65, "AUC 0.90 is at least 0.65."),),
            champion=seed or None, holdout="sha256:" + "0" * 64,
            metrics=run.metrics, evaluated_at=clock.now(),
        )  # fmt: skip
        registry.promote(report, actor="ada", why="better")
    registry.record_event(
        name, 2, action="rollout_finished", actor="rollout", why="good", details={"serving": "champion"}
    )
    return registry, tracker, name, known, uri


@pytest.fixture
def mlflow_of(kept):
    import mlflow

    registry = kept[0]
    mlflow.set_tracking_uri(registry._mlflow.uri)
    mlflow.set_registry_uri(registry._mlflow.uri)
    return registry._mlflow.client


@pytest.mark.parametrize("address", ["models:/{}@champion", "models:/{}/Production", "models:/{}/2"])
def test_a_model_found_by_mlflow_s_own_address_predicts_the_same(kept, mlflow_of, address):
    from mlflow.pyfunc import load_model as load_any
    from mlflow.sklearn import load_model

    from mlops_lab.models.training import predict
    from mlops_lab.models.training.model import prepare

    registry, tracker, name, known, _ = kept
    ours = predict(tracker.artifacts.load_model(registry.get_production(name).artifact), known.frame)
    rows = known.frame[["hour", "carrier"]]

    theirs = predict(load_model(address.format(name)), known.frame)
    served = load_any(address.format(name)).predict(prepare(rows))

    assert (theirs == ours).all()
    assert (served[:, 1] == ours).all()


def test_the_bytes_in_mlflow_are_the_registered_bytes(kept, mlflow_of, tmp_path):
    from mlflow.artifacts import download_artifacts

    from mlops_lab.base.fingerprint import fingerprint_bytes

    registry, _, name, _, _ = kept

    folder = download_artifacts(f"models:/{name}@champion", dst_path=str(tmp_path))

    assert fingerprint_bytes(Path(folder, "model.skops").read_bytes()) == registry.get_production(name).artifact


def test_another_machine_fetches_and_verifies_the_champion(kept, tmp_path):
    from mlops_lab.adapters.mlflow.registry import MlflowRegistry

    registry, _, name, _, uri = kept
    if uri is None:
        pytest.skip("a file of the home folder is on this machine only")
    other = MlflowRegistry(tmp_path, uri=uri)
    version = other.get_by_alias(name, "champion")

    data = other.artifacts.get_bytes(version.artifact)

    assert data == registry.artifacts.get_bytes(version.artifact)


def test_the_model_has_signature_and_example_and_the_run_its_dataset(kept, mlflow_of):
    from mlflow.models import get_model_info

    registry, tracker, name, known, _ = kept
    ours = tracker.get_run(registry.get_production(name).run_id)
    version = mlflow_of.get_model_version_by_alias(name, "champion")

    info, run = get_model_info(f"models:/{name}@champion"), mlflow_of.get_run(version.run_id)

    assert [column.name for column in info.signature.inputs] == ["hour", "carrier"]
    assert info.saved_input_example_info is not None
    assert info.flavors["sklearn"]["serialization_format"] == "skops"
    dataset = run.inputs.dataset_inputs[0].dataset
    assert dataset.name == "training_set"
    assert json.loads(dataset.source)["fingerprint"] == known.fingerprint
    assert known.fingerprint.removeprefix("sha256:").startswith(dataset.digest)
    assert run.data.params["feature_service"] == "plain"
    assert run.data.metrics["offline.roc_auc"] == ours.metrics["offline.roc_auc"]


def test_mlflow_s_own_registry_says_what_the_history_says(kept, mlflow_of):
    _, _, name, _, _ = kept

    versions = {str(each.version): each for each in mlflow_of.search_model_versions(f"name='{name}'")}

    assert {number: each.current_stage for number, each in versions.items()} == {"1": "Archived", "2": "Production"}
    aliases = mlflow_of.get_registered_model(name).aliases
    assert {alias: str(number) for alias, number in aliases.items()} == {"champion": "2", "previous": "1"}
    assert versions["2"].tags["team"] == "delays"
    assert versions["2"].tags["mlops_lab.gate"] == "passed"
    assert json.loads(versions["2"].tags["mlops_lab.gate_report"])["passed"] is True
    assert versions["2"].description == "a small one"


@pytest.mark.parametrize("tamper", ["stage", "alias", "version"])
def test_what_somebody_changes_past_the_gate_is_noticed_and_changes_nothing(tmp_path, tamper):
    import warnings

    from mlops_lab.adapters.desk import Desk
    from mlops_lab.adapters.promises import prepare_home
    from mlops_lab.pipeline.engines import Engines

    prepare_home(tmp_path)
    desk = Desk(tmp_path, Engines(registry="mlflow"))
    desk.promoted(), desk.rolled_out(desk.promoted())
    client = desk.registry._mlflow.client
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        if tamper == "stage":
            client.transition_model_version_stage("late", "1", "Production")
        elif tamper == "alias":
            client.set_registered_model_alias("late", "champion", "1")
        else:
            client.delete_model_version("late", "1")

    assert desk.registry.get_by_alias("late", "champion").version == 2
    with pytest.raises(IntegrityError, match="in MLflow"):
        desk.registry.verify()


def test_a_cut_off_history_is_noticed(tmp_path):
    import sqlite3

    from mlops_lab.adapters.desk import Desk
    from mlops_lab.adapters.promises import prepare_home
    from mlops_lab.pipeline.engines import Engines

    prepare_home(tmp_path)
    desk = Desk(tmp_path, Engines(registry="mlflow"))
    desk.promoted()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("DELETE FROM params WHERE key = 'event.000004.0'")

    with pytest.raises(IntegrityError, match="end of the history"):
        desk.registry.verify()


def test_a_changed_event_is_noticed(tmp_path):
    import sqlite3

    from mlops_lab.adapters.desk import Desk
    from mlops_lab.adapters.promises import prepare_home
    from mlops_lab.pipeline.engines import Engines

    prepare_home(tmp_path)
    desk = Desk(tmp_path, Engines(registry="mlflow"))
    desk.promoted()
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("UPDATE params SET value = replace(value, 'better', 'bettor') WHERE key = 'event.000003.0'")

    with pytest.raises(IntegrityError, match="event 3"):
        desk.registry.verify()


def test_a_copy_has_the_same_history_and_finds_its_way_back(tmp_path):
    from mlops_lab.adapters import engines_of, move_registry, open_registry
    from mlops_lab.adapters.desk import Desk
    from mlops_lab.adapters.promises import prepare_home

    prepare_home(tmp_path)
    desk = Desk(tmp_path)
    desk.promoted(), desk.rolled_out(desk.promoted())
    desk.registry.set_policy("late", requires_approval=True, actor="grace", why="passengers")
    head, lines = desk.registry.head(), [str(event) for event in desk.registry.history()]
    desk.close()

    there = move_registry(tmp_path, to="mlflow")
    other = open_registry(tmp_path, clock=desk.clock)
    other.set_alias("late", "challenger", 1, actor="ada", why="to look at")
    back = move_registry(tmp_path, to="embedded")

    assert (there.head, there.events, there.runs) == (head, len(lines), 2)
    assert [str(event) for event in other.history()][: len(lines)] == lines
    assert (back.events, engines_of(tmp_path).registry) == (1, "embedded")
    assert open_registry(tmp_path, clock=desk.clock).get_by_alias("late", "challenger").version == 1


def test_a_home_with_a_history_is_not_given_another_engine(tmp_path):
    from mlops_lab.adapters import choose_engines
    from mlops_lab.adapters.desk import Desk

    desk = Desk(tmp_path)
    desk.version()
    desk.close()

    with pytest.raises(InvalidData, match="registry copy --to mlflow"):
        choose_engines(tmp_path, registry="mlflow")


def test_a_server_that_is_not_there_is_one_clear_line(tmp_path):
    from mlops_lab.adapters.mlflow.registry import MlflowRegistry

    with pytest.raises(HomeError) as caught:
        MlflowRegistry(tmp_path, uri="http://lab:secret@127.0.0.1:9")

    assert str(caught.value) == "MLflow at http://lab:…@127.0.0.1:9 refuses: nobody answers there (Connection refused)"


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("", "that is no address such as http://127.0.0.1:5000"),
        ("mlflow.db", "that is no address such as http://127.0.0.1:5000"),
        ("nonsense://x", "unsupported URI 'nonsense://x'"),
        ("http://127.0.0.1:x", "nobody answers there (Port could not be cast to integer value as 'x')"),
        ("sqlite:////proc/nowhere/mlflow.db", "No such file or directory: '/proc/nowhere'"),
        ("postgresql+psycopg2://lab:secret@127.0.0.1:9/mlflow", "port 9 failed: Connection refused"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line_and_is_not_remembered(tmp_path, monkeypatch, uri, told):
    from mlops_lab.adapters import choose_engines, engines_of

    monkeypatch.chdir(tmp_path)

    with pytest.raises(HomeError) as caught:
        choose_engines(tmp_path / "home", registry="mlflow", registry_uri=uri)

    assert told in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)
    assert engines_of(tmp_path / "home").registry == "embedded"
    assert not list(tmp_path.glob("mlflow.db"))


def test_a_damaged_file_is_one_clear_error(tmp_path):
    from mlops_lab.adapters.mlflow.registry import MlflowRegistry

    (tmp_path / "mlflow.db").write_bytes(b"no database at all, but longer than a page's header" * 100)

    with pytest.raises(HomeError):
        MlflowRegistry(tmp_path)
    shutil.rmtree(tmp_path)
