"""Every move is one line of the history with all its facts, and every refusal names what was asked and what there is."""

# ruff: noqa: E501 (a line is a move or a refusal)

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import IllegalMove, IntegrityError, InvalidData, NotAllowed, UnknownName
from mlops_lab.base.fingerprint import fingerprint_frame
from mlops_lab.models.lineage import Lineage, Node, lineage, training_rows, used_by
from mlops_lab.models.registry import Approval, Event, GateReport, ModelVersion, Promotion, RuleResult, verify_home

AT = parse_utc("2014-01-01T06:30:15Z")


def test_each_move_is_one_line_with_all_its_facts(lab):
    registry, month = lab.registry, timedelta(days=30)
    first = registry.register_model(lab.run(), "late", description="the first", tags={"team": "delays"})
    one = lab.report(first)
    registry.set_policy(
        "late", requires_approval=True, separate_promoter=True, gate_policy="", actor="grace", why="rules"
    )
    registry.set_policy("late", requires_approval=True, actor="grace")  # says nothing new
    registry.record_gate_report(one, why="measured")
    registry.request_approval("late", 1, requested_by="bot", why="please")
    registry.approve("late", 1, by="grace", comment="good")
    promotion = registry.promote(one, actor="bot", why="first")
    registry.set_alias("late", "shadow", 1, actor="ada", why="try")
    registry.set_alias("late", "shadow", 1, actor="ada")  # is there already
    second = lab.version()
    registry.set_alias("late", "shadow", 2)
    registry.delete_alias("late", "shadow")
    registry.set_tag("late", 1, "team", "other", actor="ada", why="moved")
    registry.set_tag("late", 1, "team", "other")
    two = lab.report(second)
    registry.record_gate_report(two)
    registry.request_approval("late", 2, requested_by="bot", why="again")
    registry.approve("late", 2, by="grace")
    registry.reject("late", 2, by="ada", comment="no")
    registry.request_approval("late", 2, requested_by="bot", why="once more", expires_after=timedelta(days=2))
    given = registry.approve("late", 2, by="grace")
    registry.promote(two, actor="bot", why="second", approval=given)
    registry.record_event(
        "late", 2, action="rollout_finished", actor="bot", why="well", details={"serving": "champion"}
    )
    back = registry.rollback("late", actor="grace", why="late on Mondays", present=2)
    registry.transition_stage("late", 1, "Archived", actor="grace", why="old")

    told = [(e.action, e.version, e.source, e.target, e.actor, e.why, e.details) for e in registry.history("late")]

    expires, asked = (lab.clock.now() + month).isoformat(), {"artefact": first.artifact, "report": one.fingerprint}
    again = {"artefact": second.artifact, "report": two.fingerprint}
    kept = {
        key: {"fingerprint": report.fingerprint, "report": report.to_dict()} for key, report in ((1, one), (2, two))
    }
    made = {
        version.version: {
            "run_id": version.run_id,
            "artefact": version.artifact,
            "author": "ada",
            "description": text,
            "tags": tags,
        }
        for version, text, tags in ((first, "the first", {"team": "delays"}), (second, "", {}))
    }
    assert told == [
        ("register_model", 1, None, None, "ada", "the first", made[1]),
        ("set_policy", None, None, None, "grace", "rules", {"requires_approval": True, "separate_promoter": True}),
        ("record_gate_report", 1, None, "passed", "gate", "measured", told[2][6]),
        ("request_approval", 1, None, "pending", "bot", "please", {**asked, "expires_at": expires}),
        ("approve", 1, "pending", "approved", "grace", "good", {}),
        ("transition_stage", 1, "None", "Staging", "bot", "first", {}),
        ("transition_stage", 1, "Staging", "Production", "bot", "first", {"archived_version": None, "report": one.fingerprint, "serving": "champion"}),
        ("set_alias", 1, None, "v1", "ada", "try", {"alias": "shadow"}),
        ("register_model", 2, None, None, "ada", "", made[2]),
        ("set_alias", 2, "v1", "v2", "unknown", "", {"alias": "shadow"}),
        ("delete_alias", 2, "v2", None, "unknown", "", {"alias": "shadow"}),
        ("set_tag", 1, "delays", "other", "ada", "moved", {"key": "team"}),
        ("record_gate_report", 2, None, "passed", "gate", "", told[12][6]),
        ("request_approval", 2, None, "pending", "bot", "again", {**again, "expires_at": expires}),
        ("approve", 2, "pending", "approved", "grace", "", {}),
        ("reject", 2, "approved", "rejected", "ada", "no", {}),
        ("request_approval", 2, None, "pending", "bot", "once more", {**again, "expires_at": (lab.clock.now() + timedelta(days=2)).isoformat()}),
        ("approve", 2, "pending", "approved", "grace", "", {}),
        ("transition_stage", 2, "None", "Staging", "bot", "second", {}),
        ("transition_stage", 1, "Production", "Archived", "bot", "v2 takes its place", {"serving": "stays"}),
        ("transition_stage", 2, "Staging", "Production", "bot", "second", {"archived_version": 1, "report": two.fingerprint, "serving": "challenger"}),
        ("rollout_finished", 2, None, None, "bot", "well", {"serving": "champion"}),
        ("transition_stage", 2, "Production", "Archived", "grace", "late on Mondays", {"rolled_back": True, "serving": "ends"}),
        ("rollback", 1, "Archived", "Production", "grace", "late on Mondays", {"archived_version": 2, "serving": "champion"}),
        ("transition_stage", 1, "Production", "Archived", "grace", "old", {"serving": "ends"}),
    ]  # fmt: skip
    for at, version in ((2, 1), (12, 2)):
        assert told[at][6]["fingerprint"] == kept[version]["fingerprint"]
        assert GateReport.from_dict(told[at][6]["report"]).fingerprint == kept[version]["fingerprint"]
    assert (promotion.version, promotion.archived_version, promotion.actor, promotion.why, promotion.event) == (
        1,
        None,
        "bot",
        "first",
        7,
    )
    assert (back.version, back.archived_version, back.actor, back.why, back.event) == (
        1,
        2,
        "grace",
        "late on Mondays",
        24,
    )
    assert (promotion.artifact, promotion.at, promotion.name) == (first.artifact, lab.clock.now(), "late")
    assert (given.state, given.decided_by, given.decided_at, given.requested_by, given.why) == (
        "approved",
        "grace",
        lab.clock.now(),
        "bot",
        "once more",
    )
    assert registry.get_production("late") is None
    assert verify_home(registry, lab.tracker).head == registry.history()[-1].hash == registry.head()
    assert str(verify_home(registry, lab.tracker)).startswith(
        "25 events, 2 reports, 3 approvals, 2 artifacts, 2 runs, 0 training sets, head sha256:"
    )


UNKNOWN = [
    (lambda lab: lab.registry.get_model_version("lat", 1), "registered model", "lat", ["late"], ""),
    (lambda lab: lab.registry.get_model_version("late", 3), "version", "3", ["1", "2"], "model late"),
    (lambda lab: lab.registry.history("lat"), "registered model", "lat", ["late"], ""),
    (lambda lab: lab.registry.history("late", 9), "version", "9", ["1", "2"], "model late"),
    (lambda lab: lab.registry.get_by_alias("late", "chmpion"), "alias", "chmpion", ["champion", "shadow"], "model late"),
    (lambda lab: lab.registry.delete_alias("late", "shado"), "alias", "shado", ["champion", "shadow"], "model late"),
    (lambda lab: lab.registry.search(stage="Prod"), "stage", "Prod", ["None", "Staging", "Production", "Archived"], ""),
    (lambda lab: lab.registry.search(name="lat"), "registered model", "lat", ["late"], ""),
    (lambda lab: lab.registry.get_production("lat"), "registered model", "lat", ["late"], ""),
    (lambda lab: lab.registry.rollback("lat", actor="x", why="y"), "registered model", "lat", ["late"], ""),
    (lambda lab: lab.registry.production_at("lat", "2014-01-01"), "registered model", "lat", ["late"], ""),
    (lambda lab: lab.registry.transition_stage("late", 1, "Live", actor="x", why="y"), "stage", "Live", ["None", "Staging", "Production", "Archived"], ""),
    (lambda lab: used_by("wether", lab.registry, tracker=lab.tracker), "feature view", "wether", ["weather"], "the runs of this home folder"),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "kind", "name", "options", "where"), UNKNOWN)
def test_what_is_not_there_is_named_with_what_is(lab, ask, kind, name, options, where):
    lab.promoted(), lab.version()
    lab.registry.set_alias("late", "shadow", 2)
    lab.tracker.log_run("train", params={"views": "weather"}, author="ada")

    with pytest.raises(UnknownName) as refused:
        ask(lab)

    assert (refused.value.kind, refused.value.name, refused.value.where) == (kind, name, where)
    assert refused.value.options == sorted(options)


def bad(rule):
    return RuleResult(rule, False, 0.1, 0.2, "bad")


REFUSED = [
    (lambda r, lab: r.history(version=1), InvalidData, "version 1 of which model? Give history(name, version)."),
    (lambda r, lab: r.verify(head="sha256:0"), InvalidData, "'#' is no head of a history; one reads sha256: and 64 digits 0-9a-f."),
    (lambda r, lab: r.verify(head="sha256:" + "f" * 64), IntegrityError, "the history is damaged or was changed: expected an event #, found a history without it. Nothing was loaded."),
    (lambda r, lab: r.record_event("late", 1, action="approve", actor="x", why="y"), InvalidData, "'approve' is an action of the registry itself; choose another word."),
    (lambda r, lab: r.record_event("late", 1, action="no/te", actor="x", why="y"), InvalidData, "'no/te' cannot name an action: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or digit first, no two dots in a row."),
    (lambda r, lab: r.register_model("run", "late"), InvalidData, "register_model takes the Run that a tracker logged, not str."),
    (lambda r, lab: r.register_model(lab.tracker.log_run("x"), "late"), InvalidData, "run # has no artifact, so there is no model to register."),
    (lambda r, lab: r.register_model(lab.run(), "la/te"), InvalidData, "'la/te' cannot name a model: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or digit first, no two dots in a row."),
    (lambda r, lab: r.register_model(lab.run(), "late", description=5), InvalidData, "the description is text, not int: 5."),
    (lambda r, lab: r.register_model(lab.run(), "late", author=5), InvalidData, "the author is text, not int: 5."),
    (lambda r, lab: r.register_model(lab.run(), "late", tags={"a": 1}), InvalidData, "tag 'a' is text, not int: 1."),
    (lambda r, lab: r.set_alias("late", "champion", 1), NotAllowed, "the alias 'champion' follows Production: promote or roll back, or choose another alias."),
    (lambda r, lab: r.set_alias("late", "v7", 1), InvalidData, "'v7' cannot be an alias: it reads as a version; choose a word such as challenger."),
    (lambda r, lab: r.set_alias("late", "7", 1), InvalidData, "'7' cannot be an alias: it reads as a version; choose a word such as challenger."),
    (lambda r, lab: r.set_alias("late", "Latest", 1), InvalidData, "'Latest' cannot be an alias: it reads as a version; choose a word such as challenger."),
    (lambda r, lab: r.set_alias("late", "production", 1), InvalidData, "'production' cannot be an alias: it reads as a stage, and follows none; choose another word."),
    (lambda r, lab: r.set_alias("late", "STAGING", 1), InvalidData, "'STAGING' cannot be an alias: it reads as a stage, and follows none; choose another word."),
    (lambda r, lab: r.set_alias("late", "a b", 1), InvalidData, "'a b' cannot name an alias: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or digit first, no two dots in a row."),
    (lambda r, lab: r.delete_alias("late", "previous"), NotAllowed, "the alias 'previous' follows Production: promote or roll back, or choose another alias."),
    (lambda r, lab: r.set_tag("late", 1, "a", 5), InvalidData, "tag 'a' is text, not int: 5."),
    (lambda r, lab: r.get_model_version("late", True), InvalidData, "True is not a version; versions are whole numbers from 1 up."),
    (lambda r, lab: r.get_model_version("late", 0), InvalidData, "0 is not a version; versions are whole numbers from 1 up."),
    (lambda r, lab: r.set_policy("late"), InvalidData, "a policy says one of requires_approval, separate_promoter, gate_policy."),
    (lambda r, lab: r.set_policy("late", requires_approval=1), InvalidData, "requires_approval is 1; say True or False."),
    (lambda r, lab: r.set_policy("late", separate_promoter="no"), InvalidData, "separate_promoter is 'no'; say True or False."),
    (lambda r, lab: r.set_policy("late", gate_policy=5), InvalidData, "the gate policy's fingerprint is text, not int: 5."),
    (lambda r, lab: r.set_policy("la/te", requires_approval=True), InvalidData, "'la/te' cannot name a model: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or digit first, no two dots in a row."),
    (lambda r, lab: r.requires_approval("la/te"), InvalidData, "'la/te' cannot name a model: use 1 to 100 letters, digits, dots, dashes or underscores, a letter or digit first, no two dots in a row."),
    (lambda r, lab: r.request_approval("late", 2, requested_by="bot", why="x"), NotAllowed, "late v2 has no passed gate report, so there is nothing to approve yet."),
    (lambda r, lab: r.request_approval("late", 1, requested_by="unknown", why="x"), InvalidData, "the person who asks is needed, and 'unknown' is nobody."),
    (lambda r, lab: r.request_approval("late", 1, requested_by="bot", why=" "), InvalidData, "the reason (why) is needed, and it was left blank."),
    (lambda r, lab: r.request_approval("late", 1, requested_by="bot", why="x", expires_after=timedelta(0)), InvalidData, "expires_after is 0:00:00; leave some time to answer."),
    (lambda r, lab: r.request_approval("late", 1, requested_by="bot", why="x", expires_after=5), InvalidData, "the time to answer (expires_after) is a timedelta, not int: 5."),
    (lambda r, lab: r.request_approval("late", 1, requested_by="bot", why="x", expires_after=timedelta.max), InvalidData, "expires_after is 999999999 days, 23:59:59.999999; that is past the end of the calendar."),
    (lambda r, lab: r.approve("late", 1, by="grace"), NotAllowed, "nobody asked for an approval of late v1."),
    (lambda r, lab: r.reject("late", 1, by="grace"), NotAllowed, "nobody asked for an approval of late v1."),
    (lambda r, lab: r.reject("late", 1, by="unknown"), InvalidData, "the person who rejects is needed, and 'unknown' is nobody."),
    (lambda r, lab: r.record_gate_report("passed"), InvalidData, "a gate report is a GateReport, not str."),
    (lambda r, lab: r.record_gate_report(lab.report(r.get_model_version("late", 2), artifact="sha256:" + "1" * 64)), InvalidData, "the report measured artifact #, but late v2 is #; evaluate the version that is registered."),
    (lambda r, lab: r.transition_stage("late", 2, "Production", actor="x", why="y"), IllegalMove, "a version in stage None cannot move to Production; from None it can move to: Staging, Archived."),
    (lambda r, lab: r.transition_stage("late", 2, "Staging", actor="x", why=" "), InvalidData, "the reason (why) is needed, and it was left blank."),
    (lambda r, lab: r.transition_stage("late", 2, "Staging", actor=" ", why="y"), InvalidData, "the actor is needed, and it was left blank."),
    (lambda r, lab: r.transition_stage("late", 2, "Staging", actor="x", why="y", report=lab.report(r.get_model_version("late", 1))), NotAllowed, "GateReport(late v1: passed 1 of 1 rules) is no gate report of late v2."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), passed=False), actor="x", why="y"), NotAllowed, "late v2 did not pass its gate, so it cannot go to Production; failed: floor."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), champion=None), actor="x", why="y"), NotAllowed, "the gate report of late v2 compared it with no champion, but in Production is v1; evaluate again."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), results=(bad("floor"), bad("skew"))), actor="x", why="y"), NotAllowed, "late v2 did not pass its gate, so it cannot go to Production; failed: floor, skew."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), results=()), actor="x", why="y"), NotAllowed, "late v2 did not pass its gate, so it cannot go to Production; failed: it has no results."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), metrics={"auc": 0.75}), actor="x", why="y"), NotAllowed, "the gate report of late v2 judged auc as 0.75, but its run # has no such figure: the figures are not those of this version."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), metrics={"served.roc_auc": 0.75}), actor="x", why="y"), NotAllowed, "the gate report of late v2 judged served.roc_auc as 0.75, but its run # has 0.7: the figures are not those of this version."),
    (lambda r, lab: r.promote(lab.report(r.get_model_version("late", 2), metrics={}), actor="x", why="y"), NotAllowed, "the gate report of late v2 holds no measurement; evaluate the gates on its run's figures."),
    (lambda r, lab: r.register_model(replace(lab.run(), run_id=" "), "late"), InvalidData, "the run's id is needed, and it was left blank."),
    (lambda r, lab: r.search(tags=["a"]), InvalidData, "each tag has a name: {name: value, …}, not list."),
    (lambda r, lab: r.set_tag("late", 1, "a", "b", actor="\u0430da"), InvalidData, "the actor mixes letters that look alike, cyrillic and latin: '\\u0430da'."),
    (lambda r, lab: r.set_tag("late", 1, "a", "b", actor=""), InvalidData, "the actor is needed, and it was left blank."),
    (lambda r, lab: r.set_tag("late", 1, "a", "b", actor="a\x01da"), InvalidData, "the actor holds a character that cannot be stored as text: '\\x01'."),
    (lambda r, lab: r.set_tag("late", 1, "a", "b", actor="a\ue000da"), InvalidData, "the actor holds a sign that nobody can see: '\\ue000'."),
    (lambda r, lab: r.set_tag("late", 1, "a", "b", actor="a\u200bda"), InvalidData, "the actor holds a sign that nobody can see: ZERO WIDTH SPACE."),
    (lambda r, lab: r.rollback("late", actor="x", why="y"), NotAllowed, "late cannot be rolled back, there is nothing to go back to: no version of it that still stands was in Production before v1."),
    (lambda r, lab: r.rollback("late", actor="x", why="y", present=2), NotAllowed, "late v2 is not in Production any more; nothing was rolled back."),
    (lambda r, lab: r.rollback("late", actor="x", why=""), InvalidData, "the reason (why) is needed, and it was left blank."),
    (lambda r, lab: r.production_at("late", parse_utc("2014-01-01").replace(tzinfo=None)), InvalidData, "the time 2014-01-01T00:00:00 has no time zone; write 2014-01-01T00:00:00Z if it is meant in UTC."),
]  # fmt: skip


@pytest.mark.parametrize(("move", "kind", "told"), REFUSED)
def test_a_refusal_says_why_and_changes_nothing(lab, move, kind, told):
    lab.promoted(), lab.version()
    before = lab.registry.head()

    with pytest.raises(kind) as refused:
        move(lab.registry, lab)

    assert re.sub(r"sha256:[0-9a-f]+…?|\b[0-9a-f]{8}\b", "#", str(refused.value)) == told

    after = [event.action for event in lab.registry.history() if event.seq > 5]
    assert lab.registry.head() == before or after == ["record_gate_report"]  # a failed report is kept


def test_a_policy_that_is_demanded_later_counts_at_the_promotion_and_at_the_way_back(lab):
    one = lab.promoted()
    two = lab.version()
    lax, strict = ("sha256:" + digit * 64 for digit in "12")
    lab.registry.record_gate_report(lab.report(two, policy=lax))
    lab.registry.set_policy("late", gate_policy=strict)

    lab.registry.transition_stage("late", 2, "Staging", actor="x", why="y")
    with pytest.raises(
        NotAllowed,
        match=r"late v2 was judged by policy sha256:1{12}…, and late demands sha256:2{12}…; evaluate again\.$",
    ):
        lab.registry.transition_stage("late", 2, "Production", actor="x", why="y")
    lab.registry.promote(lab.report(two, policy=strict), actor="x", why="y")
    with pytest.raises(NotAllowed, match="late v1 was judged by policy unknown"):
        lab.registry.rollback("late", actor="x", why="y")
    assert lab.registry.get_production("late").version == 2
    assert one.version == 1


def test_a_yes_that_was_taken_back_or_is_of_another_report_lets_nothing_back(lab):
    lab.registry.set_policy("late", requires_approval=True)
    for number in (1, 2):
        version = lab.version()
        lab.registry.record_gate_report(lab.report(version))
        lab.registry.request_approval("late", number, requested_by="bot", why="x")
        lab.registry.approve("late", number, by="grace")
        lab.registry.promote(lab.registry.get_gate_report("late", number), actor="ada", why="x")
    lab.registry.reject("late", 1, by="linus", comment="wrong")

    with pytest.raises(NotAllowed, match="cannot be rolled back to v1: linus took the approval back"):
        lab.registry.rollback("late", actor="x", why="y")

    waits = lab.version()
    lab.registry.record_gate_report(lab.report(waits))
    with pytest.raises(NotAllowed, match="needs an approval") as nobody:
        lab.registry.promote(lab.registry.get_gate_report("late", 3), actor="x", why="y")
    asked = lab.registry.request_approval("late", 3, requested_by="bot", why="x", expires_after=timedelta(hours=1))
    with pytest.raises(NotAllowed, match="is pending; somebody has to approve it") as pending:
        lab.registry.promote(lab.registry.get_gate_report("late", 3), actor="x", why="y")
    lab.clock.advance(timedelta(hours=1))
    with pytest.raises(NotAllowed, match="is expired; ask again") as expired:
        lab.registry.promote(lab.registry.get_gate_report("late", 3), actor="x", why="y")
    lab.registry.request_approval("late", 3, requested_by="bot", why="x")
    lab.registry.reject("late", 3, by="grace", comment="no")
    with pytest.raises(NotAllowed, match="was rejected by grace: no") as rejected:
        lab.registry.promote(lab.registry.get_gate_report("late", 3), actor="x", why="y")
    lab.registry.request_approval("late", 3, requested_by="bot", why="x")
    lab.registry.approve("late", 3, by="grace")
    with pytest.raises(NotAllowed, match="is not the approval on record") as other:
        lab.registry.promote(lab.registry.get_gate_report("late", 3), actor="x", why="y", approval=asked)
    assert [each.value.waiting for each in (nobody, pending, expired, rejected, other)] == [
        True,
        True,
        True,
        False,
        True,
    ]


def test_records_show_themselves_and_give_their_rows():
    version = ModelVersion("late", 2, "r", "sha256:0", "Staging", ("a", "b"), {"t": "x"}, "ada", AT, "good")
    event = Event(3, AT, "ada", "set_tag", "late", 2, None, "x", "why\nnot", {})
    approval = Approval("late", 2, "sha256:0", "sha256:1", "approved", "bot", AT, AT, "x", decided_by="grace")
    result = RuleResult("floor", True, 0.7, None, "well")

    assert repr(version) == "ModelVersion(late v2, Staging, aliases: a, b)"
    assert version.row() == {
        "version": "late v2",
        "stage": "Staging",
        "aliases": "a, b",
        "author": "ada",
        "description": "good",
    }
    assert "t: x" in version._repr_mimebundle_()["text/html"]
    assert str(event) == "3  2014-01-01T06:30:15Z  late v2  set_tag  - → x  by ada: why not"
    assert event.row() == {
        "#": "3",
        "when (UTC)": "2014-01-01 06:30",
        "of": "late v2",
        "action": "set_tag",
        "move": "- → x",
        "by": "ada",
        "why": "why not",
    }
    moves = (("v2", None, "v2 → -"), (None, None, ""))
    assert [Event(3, AT, "ada", "x", "late", 2, *m[:2], "").row()["move"] for m in moves] == [m[2] for m in moves]
    assert (
        str(Event(1, AT, "ada", "set_policy", "late", None, None, None, " "))
        == "1  2014-01-01T06:30:15Z  late  set_policy  by ada"
    )
    assert repr(approval) == "Approval(late v2: approved, asked by bot, answered by grace)"
    assert approval.row() == {"version": "late v2", "state": "approved", "asked by": "bot", "answered by": "grace"}
    assert repr(Promotion("late", 2, "x", None, "a", "w", AT, 1)) == "Promotion(late v2 in Production)"
    assert repr(result) == "RuleResult(floor: passed, well)"
    report = GateReport("late", 2, "sha256:0", (result, RuleResult("skew", False, 0.1, 0.02, "bad")), None, "h", AT)
    assert (repr(report), report.passed, [each.rule for each in report.failures]) == (
        "GateReport(late v2: failed 1 of 2 rules)",
        False,
        ["skew"],
    )
    assert report.table() == "late v2: refused\n✓ floor  well\n✗ skew   bad"
    good = GateReport("late", 2, "sha256:0", (result,), None, "h", AT)
    assert good.table() == "late v2: passed\n✓ floor  well"
    assert "passed</span></caption>" in good._repr_mimebundle_()["text/html"]
    assert report.measurement == ""
    assert report._repr_mimebundle_()["text/plain"] == report.table()
    html = report._repr_mimebundle_()["text/html"]
    assert re.findall(r"&nbsp;(\w+)", html) == ["refused", "passed", "failed"]
    assert re.findall(r"<th[^>]*>([^<]*)</th>", html)[:3] == ["", "rule", "what was found"]
    assert [word in html for word in ("refused", "skew", "bad", "what was found", "passed")] == [True] * 5


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: RuleResult("floor", 1, 0.7, 0.6, "x"), "rule 'floor' passed=1"),
        (lambda: RuleResult("floor", True, "0.7", 0.6, "x"), "'0.7' is not a figure"),
        (lambda: RuleResult("floor", True, float("nan"), 0.6, "x"), "cannot have passed on the figure nan"),
        (lambda: GateReport("late", 1, "a", 5, None, "h", AT), "a list, not int"),
        (lambda: GateReport("late", 1, "a", ["passed"], None, "h", AT), "are RuleResult objects"),
        (lambda: GateReport.from_dict({}), "this is no gate report: KeyError: 'results'"),
        (lambda: GateReport.from_dict({**GateReport("late", 1, "a", (), None, "h", AT).to_dict(), "passed": True}), "says passed=True while its results say False"),
        (lambda: GateReport.from_dict({**GateReport("late", 1, "a", (), None, "h", AT).to_dict(), "measurement": "x"}), "are not the ones that its measurement"),
    ],
)  # fmt: skip
def test_what_is_no_verdict_is_refused_with_what_is_wrong(make, told):
    with pytest.raises(InvalidData, match=told):
        make()


def test_figures_that_are_not_finite_travel_as_text_and_come_back():
    figures = {"a": float("nan"), "b": float("-inf"), "c": 0.5}
    results = (RuleResult("floor", False, float("inf"), float("nan"), "x"),)
    report = GateReport("late", 1, "a", results, 3, "h", AT, "p", figures, figures, "d")

    told = report.to_dict()

    assert (told["metrics"], told["champion_metrics"]) == ({"a": "nan", "b": "-inf", "c": 0.5},) * 2
    assert (told["results"][0]["figure"], told["results"][0]["bound"], told["data"], told["policy"]) == (
        "inf",
        "nan",
        "d",
        "p",
    )
    assert GateReport.from_dict(told).to_dict() == told
    assert GateReport.from_dict(told).metrics["b"] == float("-inf")
    assert (
        report.measurement
        == told["measurement"]
        != GateReport("late", 1, "a", results, 2, "h", AT, "p", figures).measurement
    )


def test_the_rows_that_a_version_learnt_from_come_back_as_they_were(lab):
    from io import BytesIO

    rows = pd.DataFrame({"origin": ["EWR", "JFK"], "temp": [39.0, 41.0]})
    written = BytesIO()
    rows.to_feather(written)
    kept, broken = (lab.tracker.artifacts.put_bytes(data) for data in (written.getvalue(), b"no table"))
    versions = [
        lab.registry.register_model(
            lab.tracker.log_run("train", params={"n": n}, inputs=inputs, artifact=lab.tracker.artifacts.put_bytes(b"m"), author="ada"), "late"
        )
        for n, inputs in enumerate([
            {"training_rows": kept, "training_set": fingerprint_frame(rows)}, {"training_rows": kept, "training_set": "sha256:x"},
            {"training_rows": kept}, {"training_rows": broken}, {}, {"training_rows": "sha256:" + "0" * 64},
        ])
    ]  # fmt: skip

    pd.testing.assert_frame_equal(training_rows(versions[0], lab.tracker), rows)
    for version, expected, found in (
        (versions[1], "sha256:x", fingerprint_frame(rows)),
        (versions[2], "their fingerprint", fingerprint_frame(rows)),
        (versions[3], "a table of rows", None),
    ):
        with pytest.raises(IntegrityError, match="the training set") as changed:
            training_rows(version, lab.tracker)
        assert str(changed.value).startswith("the training set is damaged")
        assert changed.value.expected == expected
        assert found is None or changed.value.found == found
    for version, told in (
        (versions[4], "kept no training rows, only their"),
        (versions[5], "names rows that are gone"),
    ):
        with pytest.raises(InvalidData, match=f"the run of late v[56] {told}.*; nobody can see them any more"):
            training_rows(version, lab.tracker)
    for ask in (lambda: training_rows("late", lab.tracker), lambda: lineage("late", lab.registry, tracker=lab.tracker)):
        with pytest.raises(InvalidData) as other:
            ask()
        assert str(other.value) == "what has a lineage is a ModelVersion, not str: 'late'."
    with pytest.raises(IntegrityError, match=r"the training set of late v6 .* found nothing"):
        verify_home(lab.registry, lab.tracker)


def test_a_lineage_as_text_has_one_thing_a_line_and_leaves_out_what_is_empty():
    found = Lineage((Node("a", "training_set", "rows", {"n": "5", "x": ""}), Node("b", "run", "1f")), (("a", "b"),))

    assert found.outline() == "training set: rows\n    n: 5\nrun: 1f"
    assert repr(found) == "Lineage(2 nodes, training_set → run)"
    assert found.to_dict()["edges"] == [["a", "b"]]


def test_whose_agreement_counts_for_nothing_is_named_the_run_s_author_too(lab):
    version = lab.registry.register_model(lab.run(author="ada"), "late", author="bot")
    lab.registry.record_gate_report(lab.report(version))
    lab.registry.request_approval("late", 1, requested_by="bob", why="better")

    with pytest.raises(NotAllowed, match=r"its author \(bot and ada\) and the one who asked \(bob\)"):
        lab.registry.approve("late", 1, by="ada")
