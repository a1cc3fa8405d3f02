"""Do versions move as the rules say, and in no other way?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops_lab.base.errors import IllegalMove, IntegrityError, InvalidData, NotAllowed, UnknownName
from mlops_lab.models.registry import STAGES, GateReport, RuleResult

# Written down once more by hand, so that the table in the code cannot check itself.
LEGAL = {
    ("None", "Staging"),
    ("None", "Archived"),
    ("Staging", "Production"),
    ("Staging", "Archived"),
    ("Production", "Archived"),
    ("Archived", "Staging"),
}
WAYS = {"None": [], "Staging": ["Staging"], "Production": ["Staging", "Production"], "Archived": ["Archived"]}


def _bring(lab, stage):
    version = lab.version()
    for step in WAYS[stage]:
        report = lab.report(version) if step == "Production" else None
        lab.registry.transition_stage("late", 1, step, actor="ada", why="ready", report=report)
    return version


@pytest.mark.parametrize(
    ("source", "target"), [(a, b) for a in STAGES for b in STAGES], ids=[f"{a}-to-{b}" for a in STAGES for b in STAGES]
)
def test_only_the_legal_moves_are_possible(lab, source, target):
    version = _bring(lab, source)
    report = lab.report(version)
    before = lab.registry.history()

    if (source, target) in LEGAL:
        given = report if target == "Production" else None
        moved = lab.registry.transition_stage("late", 1, target, actor="ada", why="next", report=given)
        assert moved.stage == target
    else:
        with pytest.raises(IllegalMove) as caught:
            lab.registry.transition_stage("late", 1, target, actor="ada", why="next")
        assert caught.value.allowed == [b for b in STAGES if (source, b) in LEGAL]
        assert lab.registry.history() == before
    assert lab.registry.verify() == len(lab.registry.history())


def test_an_unknown_stage_names_the_closest(lab):
    lab.version()

    with pytest.raises(UnknownName, match="Did you mean 'Production'"):
        lab.registry.transition_stage("late", 1, "production", actor="ada", why="next")


def test_without_a_report_nothing_reaches_production(lab):
    _bring(lab, "Staging")

    with pytest.raises(NotAllowed, match="no gate report") as caught:
        lab.registry.transition_stage("late", 1, "Production", actor="ada", why="hurry")

    assert not caught.value.waiting
    assert lab.registry.get_production("late") is None


def test_a_failed_report_is_remembered_and_refuses(lab):
    version = lab.version()

    with pytest.raises(NotAllowed, match="failed: floor"):
        lab.registry.promote(lab.report(version, passed=False), actor="ada", why="hurry")

    assert lab.registry.get_model_version("late", 1).stage == "None"
    assert lab.registry.get_gate_report("late", 1).passed is False


def test_a_report_without_results_is_no_pass(lab):
    version = lab.version()

    with pytest.raises(NotAllowed, match="no results"):
        lab.registry.promote(lab.report(version, results=()), actor="ada", why="hurry")


def test_a_later_failed_report_takes_the_pass_away(lab):
    version = _bring(lab, "Staging")
    good = lab.report(version)
    lab.registry.record_gate_report(good)
    lab.clock.advance(timedelta(hours=1))
    lab.registry.record_gate_report(lab.report(version, passed=False))

    with pytest.raises(NotAllowed, match="failed: floor"):
        lab.registry.transition_stage("late", 1, "Production", actor="ada", why="next")
    with pytest.raises(NotAllowed, match="recorded before"):
        lab.registry.promote(good, actor="ada", why="the old report was better")


def test_an_older_report_does_not_replace_a_newer_one(lab):
    version = lab.version()
    old = lab.report(version)
    lab.clock.advance(timedelta(hours=1))
    lab.registry.record_gate_report(lab.report(version, passed=False))

    with pytest.raises(NotAllowed, match="older"):
        lab.registry.record_gate_report(old)


def test_recording_the_standing_report_again_is_no_event(lab):
    report = lab.report(lab.version())

    events = {lab.registry.record_gate_report(report).seq for _ in range(2)}

    assert events == {2}


def test_a_report_of_another_version_does_not_help(lab):
    one, two = lab.version(), lab.version()
    lab.registry.record_gate_report(lab.report(one))

    with pytest.raises(NotAllowed, match="no gate report of late v2"):
        lab.registry.transition_stage("late", two.version, "Staging", actor="ada", why="x", report=lab.report(one))
    lab.registry.transition_stage("late", 2, "Staging", actor="ada", why="x")
    with pytest.raises(NotAllowed, match="no gate report"):
        lab.registry.transition_stage("late", 2, "Production", actor="ada", why="x")


def test_a_report_of_other_bytes_is_refused(lab):
    one, two = lab.version(), lab.version()

    with pytest.raises(InvalidData, match="measured artifact"):
        lab.registry.promote(lab.report(two, artifact=one.artifact), actor="ada", why="swap")


def test_a_report_against_a_former_champion_is_out_of_date(lab):
    lab.promoted()
    slow = lab.version()
    report = lab.report(slow)
    lab.promoted()

    with pytest.raises(NotAllowed, match="compared it with v1, but in Production is v3"):
        lab.registry.promote(report, actor="ada", why="late")

    assert lab.registry.get_model_version("late", slow.version).stage == "None"


def test_a_report_that_pretends_to_be_of_the_first_model_is_refused(lab):
    lab.promoted()
    version = lab.version()

    with pytest.raises(NotAllowed, match="compared it with no champion"):
        lab.registry.promote(lab.report(version, champion=None), actor="ada", why="sneak")
    other = lab.version("early")
    with pytest.raises(NotAllowed, match=r"compared it with v7, but in Production is none; evaluate again\."):
        lab.registry.promote(lab.report(other, champion=7), actor="ada", why="sneak")


def test_promotion_archives_the_former_champion_and_the_aliases_follow(lab):
    lab.promoted()

    lab.clock.advance(timedelta(days=1))
    version = lab.version()
    promotion = lab.registry.promote(lab.report(version), actor="grace", why="better on snow days")

    assert (promotion.version, promotion.archived_version, promotion.artifact) == (2, 1, version.artifact)
    assert (promotion.actor, promotion.why, promotion.at) == ("grace", "better on snow days", lab.clock.now())
    assert [each.stage for each in lab.registry.search(name="late")] == ["Archived", "Production"]
    assert lab.registry.get_by_alias("late", "champion").version == 1  # until the rollout has finished
    assert lab.registry.get_by_alias("late", "challenger").version == 2
    assert lab.registry.get_by_alias("late", "previous").version == 1


def finish(lab, version):
    """What a rollout writes at its end."""
    lab.registry.record_event(
        "late", version, action="rollout_finished", actor="rollout", why="good enough", details={"serving": "champion"}
    )


def aliases(lab):
    return {alias: each.version for each in lab.registry.search(name="late") for alias in each.aliases}


def test_the_first_model_is_the_champion_at_once(lab):
    lab.promoted()

    assert aliases(lab) == {"champion": 1}


def test_the_champion_moves_when_the_rollout_finishes(lab):
    lab.promoted(), lab.promoted()

    finish(lab, 2)

    assert aliases(lab) == {"champion": 2, "previous": 1}
    lab.registry.verify()


def test_a_rollout_that_is_taken_back_leaves_the_champion(lab):
    lab.promoted(), lab.promoted()

    lab.registry.rollback("late", actor="rollout", why="worse")

    assert aliases(lab) == {"champion": 1}
    lab.registry.verify()


def test_a_challenger_that_another_replaces_was_never_the_champion(lab):
    lab.promoted(), lab.promoted(), lab.promoted()

    assert aliases(lab) == {"champion": 1, "challenger": 3, "previous": 2}
    finish(lab, 2)
    assert aliases(lab) == {"champion": 1, "challenger": 3, "previous": 2}
    lab.registry.verify()


def test_archiving_what_is_in_production_leaves_no_champion(lab):
    lab.promoted(), lab.promoted()

    lab.registry.transition_stage("late", 2, "Archived", actor="ada", why="complaints")

    assert aliases(lab) == {"previous": 2}
    lab.registry.verify()


def test_promoting_again_with_the_same_report_is_the_same_promotion(lab):
    version = lab.version()
    report = lab.report(version)

    first, again = (lab.registry.promote(report, actor="ada", why="better") for _ in range(2))

    assert first == again
    assert len(lab.registry.history()) == 4


def test_a_failed_report_of_the_champion_is_refused_and_it_stays_in_production(lab):
    version = lab.promoted()
    lab.clock.advance(timedelta(days=1))

    with pytest.raises(NotAllowed, match="failed: floor"):
        lab.registry.promote(lab.report(version, passed=False), actor="ada", why="checked again")

    assert lab.registry.get_production("late").version == 1


def test_two_models_have_a_production_version_each(lab):
    lab.promoted("late"), lab.promoted("early")

    assert {lab.registry.get_production(name).version for name in ("late", "early")} == {1}


def test_coming_back_from_the_archive_needs_fresh_evidence(lab):
    version = lab.promoted()
    report = lab.registry.get_gate_report("late", 1)
    lab.registry.transition_stage("late", 1, "Archived", actor="ada", why="season is over")
    lab.registry.transition_stage("late", 1, "Staging", actor="ada", why="winter again")

    with pytest.raises(NotAllowed, match="no gate report"):
        lab.registry.transition_stage("late", 1, "Production", actor="ada", why="again")
    with pytest.raises(NotAllowed, match="recorded before"):
        lab.registry.promote(report, actor="ada", why="again")
    lab.clock.advance(timedelta(days=1))
    assert lab.registry.promote(lab.report(version), actor="ada", why="measured again").version == 1


def test_a_changed_artifact_is_not_promoted(lab):
    version = lab.version()
    lab.tracker.artifacts.path(version.artifact).write_bytes(b"something else")

    with pytest.raises(IntegrityError):
        lab.registry.promote(lab.report(version), actor="ada", why="better")

    assert lab.registry.get_production("late") is None


def test_bytes_that_changed_since_staging_enter_production_by_no_move(lab):
    version = lab.version()
    lab.registry.transition_stage("late", 1, "Staging", actor="ada", why="ready")
    lab.tracker.artifacts.path(version.artifact).write_bytes(b"something else")

    with pytest.raises(IntegrityError):
        lab.registry.transition_stage(
            "late", 1, "Production", actor="ada", why="better", report=lab.report(version)
        )  # fmt: skip

    assert lab.registry.get_model_version("late", 1).stage == "Staging"


@pytest.mark.parametrize("word", ["actor", "why"])
@pytest.mark.parametrize("move", ["promote", "transition_stage", "rollback"])
def test_a_move_by_nobody_or_for_no_reason_is_refused_before_anything_is_recorded(lab, move, word):
    lab.promoted()
    version = lab.version()
    before = lab.registry.head()
    asked = {
        "promote": (lab.report(version),), "rollback": ("late",), "transition_stage": ("late", 2, "Staging"),
    }  # fmt: skip
    given = {"report": lab.report(version)} if move == "transition_stage" else {}

    with pytest.raises(InvalidData):
        getattr(lab.registry, move)(*asked[move], **{"actor": "ada", "why": "x", word: " "}, **given)

    assert lab.registry.head() == before


def test_retiring_the_champion_leaves_none_and_previous_says_which_it_was(lab):
    lab.promoted()

    lab.registry.transition_stage("late", 1, "Archived", actor="ada", why="season is over")

    assert lab.registry.get_production("late") is None
    with pytest.raises(UnknownName):
        lab.registry.get_by_alias("late", "champion")
    assert lab.registry.get_by_alias("late", "previous").version == 1


def test_rollback_brings_the_version_before_back(lab):
    lab.promoted(), lab.promoted()

    promotion = lab.registry.rollback("late", actor="grace", why="late on Mondays")

    assert (promotion.version, promotion.archived_version, promotion.actor) == (1, 2, "grace")
    assert lab.registry.get_production("late").version == 1
    assert lab.registry.get_by_alias("late", "champion").version == 1


def test_a_second_rollback_goes_one_further_back_and_a_third_has_nowhere_to_go(lab):
    lab.promoted(), lab.promoted(), lab.promoted()

    versions = [lab.registry.rollback("late", actor="grace", why="worse").version for _ in range(2)]

    assert versions == [2, 1]
    with pytest.raises(NotAllowed, match="nothing to go back to"):
        lab.registry.rollback("late", actor="grace", why="worse")
    assert lab.registry.get_production("late").version == 1


def test_after_a_rollback_the_next_promotion_goes_on_from_there(lab):
    lab.promoted(), lab.promoted()
    lab.registry.rollback("late", actor="grace", why="worse")

    lab.promoted()

    assert lab.registry.rollback("late", actor="grace", why="worse").version == 1


def test_a_version_that_was_never_in_production_cannot_be_rolled_back(lab):
    lab.version()

    with pytest.raises(NotAllowed, match="no version of it that still stands was in Production"):
        lab.registry.rollback("late", actor="grace", why="?")
    with pytest.raises(UnknownName):
        lab.registry.rollback("early", actor="grace", why="?")


def test_rollback_after_retiring_brings_the_retired_version_back(lab):
    lab.promoted(), lab.promoted()
    lab.registry.transition_stage("late", 2, "Archived", actor="ada", why="by mistake")

    promotion = lab.registry.rollback("late", actor="ada", why="it was a mistake")

    assert (promotion.version, promotion.archived_version) == (2, None)
    assert lab.registry.get_by_alias("late", "previous").version == 1


def test_rollback_to_a_damaged_artifact_is_refused_and_changes_nothing(lab):
    first = lab.promoted()
    lab.promoted()
    lab.tracker.artifacts.path(first.artifact).unlink()
    before = lab.registry.history()

    with pytest.raises((IntegrityError, UnknownName)):
        lab.registry.rollback("late", actor="grace", why="worse")

    assert lab.registry.get_production("late").version == 2
    assert lab.registry.history() == before


def test_rollback_to_a_version_whose_evidence_was_revoked_is_refused(lab):
    first = lab.promoted()
    lab.promoted()
    lab.clock.advance(timedelta(days=1))
    lab.registry.record_gate_report(lab.report(first, passed=False))

    with pytest.raises(NotAllowed, match="latest gate report failed"):
        lab.registry.rollback("late", actor="grace", why="worse")


def test_the_same_version_reigning_again_is_no_way_back_to_itself(lab):
    version = lab.promoted()
    lab.registry.transition_stage("late", 1, "Archived", actor="ada", why="season is over")
    lab.registry.transition_stage("late", 1, "Staging", actor="ada", why="winter again")
    lab.clock.advance(timedelta(days=1))

    lab.registry.promote(lab.report(version), actor="ada", why="measured again")

    assert lab.registry.get_production("late").aliases == ("champion",)
    with pytest.raises(NotAllowed, match="nothing to go back to"):
        lab.registry.rollback("late", actor="ada", why="worse")


def test_a_rolled_back_version_can_come_back_through_the_gate(lab):
    lab.promoted()
    second = lab.promoted()
    lab.registry.rollback("late", actor="grace", why="worse")
    lab.registry.transition_stage("late", 2, "Staging", actor="ada", why="data was fixed")
    lab.clock.advance(timedelta(days=1))

    lab.registry.promote(lab.report(second), actor="ada", why="measured again")

    assert lab.registry.get_production("late").version == 2
    assert lab.registry.rollback("late", actor="ada", why="no").version == 1


def test_production_at_tells_each_moment_as_it_was(lab):
    days = []
    for _ in range(3):
        lab.clock.advance(timedelta(days=1))
        lab.promoted()
        days.append(lab.clock.now())
    lab.clock.advance(timedelta(days=1))
    lab.registry.rollback("late", actor="ada", why="worse")
    days.append(lab.clock.now())

    found = [lab.registry.production_at("late", day) for day in days]

    assert [each.version for each in found] == [1, 2, 3, 2]
    assert {each.stage for each in found} == {"Production"}
    assert lab.registry.production_at("late", days[0] - timedelta(microseconds=1)) is None
    assert lab.registry.production_at("late", days[1] - timedelta(microseconds=1)).version == 1
    assert lab.registry.production_at("late", "2030-01-01").version == 2


def test_a_rule_cannot_pass_on_nan():
    with pytest.raises(InvalidData, match="cannot have passed"):
        RuleResult("floor", True, float("nan"), 0.65, "?")


@pytest.mark.parametrize("passed", [float("nan"), "False", 1, None], ids=repr)
def test_passed_is_a_plain_true_or_false(passed):
    with pytest.raises(InvalidData):
        RuleResult("floor", passed, 0.7, 0.65, "?")


def test_a_report_with_nan_figures_survives_being_stored(lab):
    version = lab.version()
    failed = RuleResult("floor", False, float("nan"), float("inf"), "AUC is not a number.")

    report = lab.report(version, results=(failed,))
    lab.registry.record_gate_report(report)

    found = lab.registry.get_gate_report("late", 1)
    assert repr(found.results[0].figure) == "nan"
    assert found.results[0].bound == float("inf")
    assert found.fingerprint == report.fingerprint


def test_a_stored_report_cannot_be_given_another_verdict(lab):
    values = lab.report(lab.version(), passed=False).to_dict()

    with pytest.raises(InvalidData, match="passed=True"):
        GateReport.from_dict({**values, "passed": True})


def test_another_verdict_has_another_fingerprint(lab):
    report = lab.report(lab.version())

    assert replace(report, champion=3).fingerprint != report.fingerprint
