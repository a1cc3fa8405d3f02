"""Does somebody else have to agree, and does the agreement end when it should?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlops_lab.base.errors import InvalidData, NotAllowed, UnknownName


@pytest.fixture
def waiting(lab):
    """A lab whose first version of `late`, by Ada, passed the gate and waits for an approval asked for by the bot."""
    lab.registry.set_policy("late", requires_approval=True)
    lab.first = lab.version(author="Ada")
    lab.good = lab.report(lab.first)
    with pytest.raises(NotAllowed) as caught:
        lab.registry.promote(lab.good, actor="bot", why="nightly")
    lab.refusal = caught.value
    lab.registry.request_approval("late", 1, requested_by="bot", why="better on snow days")
    return lab


def test_a_version_that_lacks_only_an_approval_waits_in_staging(waiting):
    assert waiting.refusal.waiting
    assert waiting.registry.get_model_version("late", 1).stage == "Staging"
    assert [each.version for each in waiting.registry.pending_approvals()] == [1]


def test_an_approved_version_is_promoted(waiting):
    approval = waiting.registry.approve("late", 1, by="grace", comment="looked at the slices")

    promotion = waiting.registry.promote(waiting.good, actor="bot", why="approved", approval=approval)

    assert promotion.version == 1
    assert (approval.state, approval.decided_by, approval.comment) == ("approved", "grace", "looked at the slices")
    assert waiting.registry.pending_approvals() == ()


def test_the_approval_on_record_counts_without_being_handed_in(waiting):
    waiting.registry.approve("late", 1, by="grace")

    assert waiting.registry.promote(waiting.good, actor="bot", why="approved").version == 1


def test_an_open_request_is_no_approval(waiting):
    with pytest.raises(NotAllowed, match="pending; somebody has to approve") as caught:
        waiting.registry.promote(waiting.good, actor="bot", why="again")

    assert caught.value.waiting


@pytest.mark.parametrize(
    "who",
    ["Ada", "ada", " ADA ", "A d a", "\uff21da", "Ad\u200ba", "bot", "BOT\t"],
    ids=["same", "case", "blanks", "inside", "wide", "invisible", "asker", "asker-tab"],
)
def test_neither_the_author_nor_the_asker_can_approve(waiting, who):
    with pytest.raises(NotAllowed, match="somebody else"):
        waiting.registry.approve("late", 1, by=who)

    assert waiting.registry.get_approval("late", 1).state == "pending"


def test_a_rejected_version_is_refused_and_not_waiting(waiting):
    waiting.registry.reject("late", 1, by="grace", comment="Newark looks odd")

    with pytest.raises(NotAllowed, match="rejected by grace: Newark looks odd") as caught:
        waiting.registry.promote(waiting.good, actor="bot", why="again")

    assert not caught.value.waiting


def test_a_yes_can_be_taken_back_before_it_is_used(waiting):
    waiting.registry.approve("late", 1, by="grace")
    waiting.registry.reject("late", 1, by="grace", comment="on second thoughts")

    with pytest.raises(NotAllowed, match="rejected"):
        waiting.registry.promote(waiting.good, actor="bot", why="again")


def test_after_a_no_one_can_ask_again(waiting):
    waiting.registry.reject("late", 1, by="grace")

    again = waiting.registry.request_approval("late", 1, requested_by="bot", why="explained")

    assert again.state == "pending"


@pytest.mark.parametrize(("late_by", "state"), [(-1, "approved"), (0, "expired"), (1, "expired")], ids=str)
def test_an_approval_ends_exactly_when_it_says(waiting, late_by, state):
    approval = waiting.registry.approve("late", 1, by="grace")

    waiting.clock.advance(approval.expires_at - waiting.clock.now() + timedelta(microseconds=late_by))

    assert waiting.registry.get_approval("late", 1).state == state
    if state == "expired":
        with pytest.raises(NotAllowed, match="expired") as caught:
            waiting.registry.promote(waiting.good, actor="bot", why="late")
        assert caught.value.waiting
    else:
        assert waiting.registry.promote(waiting.good, actor="bot", why="in time").version == 1


def test_a_request_nobody_answered_expires_after_thirty_days(waiting):
    waiting.clock.advance(timedelta(days=30))

    assert waiting.registry.pending_approvals() == ()
    with pytest.raises(NotAllowed, match="expired"):
        waiting.registry.approve("late", 1, by="grace")


def test_a_new_report_makes_the_approval_outdated(waiting):
    waiting.registry.approve("late", 1, by="grace")
    waiting.clock.advance(timedelta(hours=1))
    newer = waiting.report(waiting.first)

    with pytest.raises(NotAllowed, match="outdated"):
        waiting.registry.promote(newer, actor="bot", why="measured again")

    assert waiting.registry.get_approval("late", 1).state == "outdated"


def test_asking_again_returns_the_open_request(waiting):
    before = waiting.registry.get_approval("late", 1)

    assert waiting.registry.request_approval("late", 1, requested_by="somebody", why="again") == before


def test_asking_again_leaves_an_approval_that_stands(waiting):
    approved = waiting.registry.approve("late", 1, by="grace")

    again = waiting.registry.request_approval("late", 1, requested_by="somebody", why="again")

    assert (again, again.state) == (approved, "approved")
    with pytest.raises(NotAllowed, match="the request for late v1 is approved; ask again") as twice:
        waiting.registry.approve("late", 1, by="linus")
    assert twice.value.waiting is False


@pytest.mark.parametrize("days", [2, 400])
def test_a_clock_that_is_set_back_does_not_revive_what_has_expired(waiting, days):
    waiting.clock.advance(timedelta(days=31))
    waiting.registry.set_tag("late", 1, "team", "delays")  # the history has seen that day
    waiting.clock.advance(timedelta(days=-days))

    assert waiting.registry.get_approval("late", 1).state == "expired"
    assert waiting.registry.pending_approvals() == ()
    with pytest.raises(NotAllowed, match="expired"):
        waiting.registry.approve("late", 1, by="grace")
    assert waiting.registry.request_approval("late", 1, requested_by="bot", why="again").state == "pending"


def test_a_no_counts_where_nobody_has_to_say_yes(lab):
    versions = [lab.promoted() for _ in range(3)]
    for each in (1, 2):
        lab.registry.request_approval("late", each, requested_by="bot", why="is it still good?")
        lab.registry.reject("late", each, by="linus", comment="wrong since June")
    waits = lab.version()
    report = lab.report(waits)
    lab.registry.record_gate_report(report)
    lab.registry.request_approval("late", 4, requested_by="bot", why="please")
    lab.registry.reject("late", 4, by="linus", comment="not on Mondays")

    with pytest.raises(NotAllowed, match="late v4 was rejected by linus: not on Mondays"):
        lab.registry.promote(report, actor="ada", why="x")
    with pytest.raises(NotAllowed, match="cannot be rolled back to v2: linus took the approval back"):
        lab.registry.rollback("late", actor="ada", why="x")
    assert lab.registry.get_production("late").version == versions[-1].version


def test_what_waits_is_told_model_by_model(waiting):
    waiting.clock.advance(timedelta(hours=1))
    other = waiting.version("early", author="ada")
    waiting.registry.record_gate_report(waiting.report(other))
    waiting.registry.request_approval("early", 1, requested_by="bot", why="x")

    assert [[each.name for each in waiting.registry.pending_approvals(name)] for name in ("late", "early", None)] == [
        ["late"],
        ["early"],
        ["late", "early"],
    ]


def test_an_approval_of_another_version_does_not_help(waiting):
    approval = waiting.registry.approve("late", 1, by="grace")
    second = waiting.version(author="Ada")

    with pytest.raises(NotAllowed) as caught:
        waiting.registry.promote(waiting.report(second), actor="bot", why="borrowed", approval=approval)

    assert caught.value.waiting


def test_a_made_up_approval_does_not_help(waiting):
    approval = waiting.registry.get_approval("late", 1)
    forged = type(approval)(**{**vars(approval), "state": "approved", "decided_by": "grace"})

    with pytest.raises(NotAllowed, match="pending"):
        waiting.registry.promote(waiting.good, actor="bot", why="forged", approval=forged)


def test_there_is_nothing_to_approve_before_the_gate(lab):
    version = lab.version()
    lab.registry.record_gate_report(lab.report(version, passed=False))

    with pytest.raises(NotAllowed, match="no passed gate report"):
        lab.registry.request_approval("late", 1, requested_by="bot", why="hurry")


def test_nobody_can_approve_what_nobody_asked_for(lab):
    lab.version()

    with pytest.raises(NotAllowed, match="nobody asked"):
        lab.registry.approve("late", 1, by="grace")
    with pytest.raises(UnknownName):
        lab.registry.approve("late", 2, by="grace")


def test_without_a_known_author_nobody_is_somebody_else(lab):
    version = lab.version(author="")
    lab.registry.record_gate_report(lab.report(version))

    with pytest.raises(NotAllowed, match="no author"):
        lab.registry.request_approval("late", 1, requested_by="bot", why="better")


def test_a_policy_can_be_set_before_the_first_version_and_taken_back(lab):
    lab.registry.set_policy("late", requires_approval=True)
    lab.registry.set_policy("late", requires_approval=False, actor="grace", why="a toy")
    lab.registry.set_policy("early", gate_policy="")  # as it is without a policy

    assert lab.registry.list_models() == ("late",)
    assert not lab.registry.requires_approval("late")
    assert lab.promoted().stage == "Production"


@pytest.mark.parametrize("expires", [timedelta(0), timedelta(-1), timedelta.max], ids=["none", "past", "never"])
def test_an_answer_needs_a_possible_time(lab, expires):
    version = lab.version()
    lab.registry.record_gate_report(lab.report(version))

    with pytest.raises(InvalidData):
        lab.registry.request_approval("late", 1, requested_by="bot", why="x", expires_after=expires)


def test_a_rollback_needs_no_new_approval(waiting):
    waiting.registry.approve("late", 1, by="grace")
    waiting.registry.promote(waiting.good, actor="bot", why="approved")
    second = waiting.version(author="Ada")
    report = waiting.report(second)
    waiting.registry.record_gate_report(report)
    waiting.registry.request_approval("late", 2, requested_by="bot", why="better")
    waiting.registry.approve("late", 2, by="grace")
    waiting.registry.promote(report, actor="bot", why="approved")

    assert waiting.registry.rollback("late", actor="bot", why="worse").version == 1
    assert waiting.registry.verify() > 0


def test_a_rollback_to_what_an_approval_was_taken_back_of_is_refused(waiting):
    waiting.registry.approve("late", 1, by="grace")
    waiting.registry.promote(waiting.good, actor="bot", why="approved")
    second = waiting.version(author="ada")
    waiting.registry.record_gate_report(waiting.report(second))
    waiting.registry.request_approval("late", 2, requested_by="bot", why="x")
    waiting.registry.approve("late", 2, by="grace")
    waiting.registry.promote(waiting.registry.get_gate_report("late", 2), actor="bot", why="approved")
    waiting.registry.reject("late", 1, by="grace", comment="it was wrong")

    with pytest.raises(NotAllowed, match="grace took the approval back"):
        waiting.registry.rollback("late", actor="bot", why="worse")

    assert waiting.registry.get_production("late").version == 2


def test_an_approval_that_is_handed_in_must_be_the_standing_one(waiting):
    pending = waiting.registry.get_approval("late", 1)
    approved = waiting.registry.approve("late", 1, by="grace")

    with pytest.raises(NotAllowed, match="is not the approval on record"):
        waiting.registry.promote(waiting.good, actor="bot", why="x", approval=pending)

    assert waiting.registry.promote(waiting.good, actor="bot", why="x", approval=approved).version == 1
