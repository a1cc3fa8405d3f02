"""Are versions registered and found as said?"""

from __future__ import annotations

import dataclasses

import pytest

from mlops_lab.base.errors import IntegrityError, InvalidData, MlopsLabError, NotAllowed, UnknownName
from mlops_lab.models.registry import Registry


def test_versions_are_numbered_from_one_for_each_model(lab):
    numbers = [lab.version(name).version for name in ("late", "late", "early", "late")]

    assert numbers == [1, 2, 1, 3]
    assert lab.registry.list_models() == ("early", "late")


def test_a_version_holds_what_was_registered(lab):
    run = lab.run(author=" ada ")

    version = lab.registry.register_model(run, "late", description="with weather", tags={"team": "delays"})

    assert (version.run_id, version.artifact, version.author) == (run.run_id, run.artifact, "ada")
    assert (version.stage, version.aliases, version.tags) == ("None", (), {"team": "delays"})
    assert (version.created, version.description) == (lab.clock.now(), "with weather")
    assert lab.registry.get_model_version("late", 1) == version


def test_the_same_run_is_the_same_version(lab):
    run = lab.run()

    first, again = (lab.registry.register_model(run, "late") for _ in range(2))

    assert first == again
    assert len(lab.registry.history()) == 1
    assert lab.registry.register_model(run, "other").version == 1


def test_a_run_without_a_model_cannot_be_registered(lab):
    run = lab.tracker.log_run("train")

    with pytest.raises(InvalidData, match="no artifact"):
        lab.registry.register_model(run, "late")


def test_a_model_that_changed_on_disk_cannot_be_registered(lab):
    run = lab.run()
    lab.tracker.artifacts.path(run.artifact).write_bytes(b"something else")

    with pytest.raises(IntegrityError):
        lab.registry.register_model(run, "late")

    assert lab.registry.list_models() == ()


def test_a_model_of_another_home_cannot_be_registered(lab, new_lab):
    with pytest.raises(UnknownName, match="artifact"):
        lab.registry.register_model(new_lab().run(), "late")


def test_what_is_no_run_cannot_be_registered(lab):
    with pytest.raises(InvalidData, match="Run that a tracker logged"):
        lab.registry.register_model("run", "late")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a/b",
        "../late",
        "..",
        "a..b",
        ".late",
        "-late",
        "late\n",
        "späte",
        "x" * 101,
        "a\x00b",
        "C:late",
        None,
        7,
    ],
    ids=repr,
)
def test_a_name_that_could_leave_the_home_folder_is_refused(lab, name):
    with pytest.raises(InvalidData, match="cannot name a model"):
        lab.registry.register_model(lab.run(), name)


def test_an_unknown_model_names_the_closest(lab):
    lab.version("late-flights")

    with pytest.raises(UnknownName) as caught:
        lab.registry.get_model_version("late-fligths", 1)

    assert caught.value.meant == "late-flights"


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None, 2**64], ids=repr)
def test_a_version_is_a_whole_number(lab, version):
    lab.version()

    with pytest.raises(InvalidData, match="is not a version"):
        lab.registry.get_model_version("late", version)


def test_an_unknown_version_names_what_exists(lab):
    lab.version()

    with pytest.raises(UnknownName, match=r"no version '7' in model late; there is: 1"):
        lab.registry.get_model_version("late", 7)


def test_aliases_point_to_one_version_and_move(lab):
    one, two = lab.version(), lab.version()

    lab.registry.set_alias("late", "challenger", one.version)
    lab.registry.set_alias("late", "challenger", two.version)

    assert lab.registry.get_by_alias("late", "challenger").version == 2
    assert lab.registry.get_model_version("late", 1).aliases == ()


def test_a_deleted_alias_is_gone(lab):
    lab.version()
    lab.registry.set_alias("late", "challenger", 1)

    lab.registry.delete_alias("late", "challenger")

    with pytest.raises(UnknownName, match="challenger"):
        lab.registry.get_by_alias("late", "challenger")
    with pytest.raises(UnknownName, match="challenger"):
        lab.registry.delete_alias("late", "challenger")


@pytest.mark.parametrize("alias", ["champion", "previous"])
def test_the_aliases_that_follow_production_cannot_be_set_past_the_gate(lab, alias):
    lab.promoted(), lab.promoted()
    challenger = lab.version()

    with pytest.raises(NotAllowed, match="follows Production"):
        lab.registry.set_alias("late", alias, challenger.version)
    with pytest.raises(NotAllowed, match="follows Production"):
        lab.registry.delete_alias("late", alias)


@pytest.mark.parametrize("alias", ["latest", "v1", "12", "", "a b", "../x", None], ids=repr)
def test_an_alias_that_reads_as_a_version_is_refused(lab, alias):
    lab.version()

    with pytest.raises(InvalidData):
        lab.registry.set_alias("late", alias, 1)


def test_tags_are_set_and_changed(lab):
    lab.version()

    lab.registry.set_tag("late", 1, "reviewed", "no")
    version = lab.registry.set_tag("late", 1, "reviewed", "yes", actor="grace")

    assert version.tags == {"reviewed": "yes"}
    assert (lab.registry.history()[-1].source, lab.registry.history()[-1].target) == ("no", "yes")


def test_setting_what_is_set_already_is_no_event(lab):
    lab.version()
    lab.registry.set_tag("late", 1, "a", "b")
    lab.registry.set_alias("late", "challenger", 1)
    before = lab.registry.history()

    lab.registry.set_tag("late", 1, "a", "b")
    lab.registry.set_alias("late", "challenger", 1)

    assert lab.registry.history() == before


def test_versions_are_found_by_stage_tags_and_author(lab):
    lab.promoted(author="ada")
    lab.version(author="grace")
    lab.registry.set_tag("late", 2, "team", "delays")

    assert [each.version for each in lab.registry.search(stage="Production")] == [1]
    assert [each.version for each in lab.registry.search(author="grace", name="late")] == [2]
    assert [each.version for each in lab.registry.search(tags={"team": "delays"})] == [2]
    assert lab.registry.search(tags={"team": "other"}) == ()


def test_an_empty_registry_answers(lab):
    registry = lab.registry

    assert (registry.list_models(), registry.search(), registry.history(), registry.verify()) == ((), (), (), 0)
    with pytest.raises(UnknownName, match="there is: none"):
        registry.get_production("late")


def test_records_are_frozen(lab):
    version = lab.version()

    with pytest.raises(dataclasses.FrozenInstanceError):
        version.stage = "Production"


@pytest.mark.parametrize("bad", ["", "  ", "a\x00", "\ud800", None, 5], ids=repr)
def test_an_actor_is_somebody(lab, bad):
    lab.version()

    with pytest.raises(InvalidData):
        lab.registry.transition_stage("late", 1, "Staging", actor=bad, why="ready")


def test_texts_in_any_script_come_back(lab):
    run = lab.run(author="Zoë 航班")

    lab.registry.register_model(run, "late", description="día 🛫\nzwei", tags={"équipe": "délais"})

    version = Registry(lab.home).get_model_version("late", 1)
    assert (version.author, version.description, version.tags) == ("Zoë 航班", "día 🛫\nzwei", {"équipe": "délais"})
    assert lab.registry.verify() == 1


def test_every_mistake_of_a_caller_is_one_of_our_errors(lab):
    registry = lab.registry
    lab.version()
    mistakes = [
        lambda: registry.get_by_alias("late", None),
        lambda: registry.history("late", 9),
        lambda: registry.history("nothing"),
        lambda: registry.history(version=1),
        lambda: registry.search(stage="production"),
        lambda: registry.search(name="nothing"),
        lambda: registry.set_tag("late", 1, "k", 5),
        lambda: registry.set_tag("late", 1, "", "v"),
        lambda: registry.record_event("late", 1, action="approve", actor="ada", why=""),
        lambda: registry.record_event("late", 1, action="a b", actor="ada", why=""),
        lambda: registry.record_event("late", 1, action="canary", actor="ada", why="", details={"x": object()}),
        lambda: registry.record_event("late", 1, action="canary", actor="ada", why="", details={"x": {1: 2}}),
        lambda: registry.record_event("late", 2, action="canary", actor="ada", why=""),
        lambda: registry.production_at("late", "yesterday"),
        lambda: registry.production_at("late", "2014-01-01T00:00"),
        lambda: registry.production_at("nothing", "2014-01-01"),
        lambda: registry.record_gate_report("passed"),
        lambda: registry.transition_stage("late", 1, "production", actor="ada", why="x"),
        lambda: registry.transition_stage("late", 1, "Staging", actor="ada", why=" "),
    ]

    for mistake in mistakes:
        with pytest.raises(MlopsLabError):
            mistake()

    assert len(registry.history()) == 1
