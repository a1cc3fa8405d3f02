"""What becomes of a registry in MLflow when a copy is cut short, somebody deletes by hand, or the server goes away?"""

from __future__ import annotations

import pytest

from mlops_lab.base.errors import HomeError, IntegrityError, MlopsLabError, UnknownName


@pytest.fixture
def desk(tmp_path):
    """A home folder with two promoted versions, kept by the embedded engines; closed."""
    from mlops_lab.adapters.desk import Desk
    from mlops_lab.adapters.promises import prepare_home

    prepare_home(tmp_path)
    desk = Desk(tmp_path)
    desk.promoted(), desk.rolled_out(desk.promoted())
    desk.head = desk.registry.head()
    desk.close()
    return desk


@pytest.fixture
def moved(desk):
    """The same, moved to MLflow."""
    from mlops_lab.adapters import move_registry, open_registry

    move_registry(desk.home, to="mlflow", clock=desk.clock)
    registry = open_registry(desk.home, clock=desk.clock)
    return registry, registry._mlflow.client


def test_copying_again_copies_nothing_and_doubles_nothing(desk):
    from mlops_lab.adapters import move_registry, open_registry

    first = move_registry(desk.home, to="mlflow", clock=desk.clock)
    back = move_registry(desk.home, to="embedded", clock=desk.clock)
    second = move_registry(desk.home, to="mlflow", clock=desk.clock)

    registry = open_registry(desk.home, clock=desk.clock)
    runs = registry._mlflow.client.search_runs([registry._mlflow.experiment])
    assert (first.events > 0, back.events, second.events) == (True, 0, 0)
    assert first.head == second.head == desk.head
    assert len([run for run in runs if "mlops_lab.run_id" in run.data.tags]) == 2
    assert len(registry._mlflow.client.search_model_versions("name='late'")) == 2


def test_a_copy_that_was_cut_short_goes_on_where_it_ended(desk, monkeypatch):
    from mlops_lab.adapters import copying, engines_of, move_registry, open_registry

    written, steps = copying._write, []

    def cut_short(target, events):
        if len(steps) == 2:
            raise KeyboardInterrupt
        steps.append(events)
        written(target, events)

    monkeypatch.setattr(copying, "_STEP", 2)
    monkeypatch.setattr(copying, "_write", cut_short)
    with pytest.raises(KeyboardInterrupt):
        move_registry(desk.home, to="mlflow", clock=desk.clock)
    kept_by = engines_of(desk.home).registry
    monkeypatch.setattr(copying, "_write", written)

    copied = move_registry(desk.home, to="mlflow", clock=desk.clock)

    registry = open_registry(desk.home, clock=desk.clock)
    assert kept_by == "embedded"
    assert copied.events == len(registry.history()) - 4
    assert registry.verify(head=desk.head) == len(registry.history())


def test_what_was_changed_in_both_places_is_not_mixed(desk, moved):
    from mlops_lab.adapters import move_registry
    from mlops_lab.base.errors import InvalidData
    from mlops_lab.models.registry import Registry

    registry, _ = moved
    registry.set_tag("late", 1, "seen", "in MLflow", actor="ada")
    left = Registry(desk.home, clock=desk.clock)
    left.set_tag("late", 1, "seen", "here", actor="grace")
    left.close()

    with pytest.raises(InvalidData, match="has a history of its own"):
        move_registry(desk.home, to="embedded", clock=desk.clock)


def test_a_model_deleted_by_hand_is_noticed_and_shown_again_by_the_next_step(moved):
    registry, client = moved
    client.delete_registered_model("late")

    found = registry.get_by_alias("late", "champion")
    with pytest.raises(IntegrityError, match="late v1 in MLflow"):
        registry.verify()
    registry.set_tag("late", 2, "team", "delays", actor="ada")

    assert found.version == 2
    assert client.get_model_version_by_alias("late", "champion").tags["mlops_lab.version"] == "2"
    assert registry.verify() == len(registry.history())


def test_a_run_deleted_by_hand_is_an_unknown_run(desk, moved):
    from mlops_lab.adapters import open_tracker

    _, client = moved
    tracker = open_tracker(desk.home, clock=desk.clock)
    run = tracker.search_runs()[0]
    client.delete_run(
        client.search_runs([tracker._mlflow.experiment], f"tags.`mlops_lab.run_id` = '{run.run_id}'")[0].info.run_id
    )

    with pytest.raises(UnknownName):
        tracker.get_run(run.run_id)


def test_a_history_deleted_by_hand_is_one_clear_error(moved):
    registry, client = moved
    client.delete_run(registry._mlflow.history)

    with pytest.raises(MlopsLabError):
        registry.set_tag("late", 2, "team", "delays", actor="ada")


@pytest.mark.nightly
def test_a_server_that_stops_half_way_is_one_line(tmp_path, own_server):
    from mlops_lab.adapters.desk import Desk
    from mlops_lab.pipeline.engines import Engines

    with own_server(tmp_path) as address:
        desk = Desk(tmp_path / "home", Engines(registry="mlflow", registry_uri=address))
        desk.promoted()

    with pytest.raises(HomeError) as caught:
        desk.registry.set_tag("late", 1, "team", "delays", actor="ada")

    assert str(caught.value) == f"MLflow at {address} refuses: the server does not answer any more"
