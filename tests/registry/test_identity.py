"""Nobody, and the author in disguise, approve nothing; a wrong clock decides nothing for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mlops_lab.base.clock import parse_utc
from mlops_lab.base.errors import InvalidData, NotAllowed
from mlops_lab.models.registry import GateReport

UNSEEN = [
    *("\u034f", "\ufe0f", "\U000e0100", "\u3164", "\uffa0", "\u115f", "\u1160", "\u2800", "\u180b", "\u180f"),
    *("\u17b4", "\u2065", "\u200b", "\u00ad", "\ue000"),
]


def asked(lab, **options):
    version = lab.version(**options)
    lab.registry.record_gate_report(lab.report(version))
    lab.registry.request_approval("late", version.version, requested_by="bot", why="x")
    return version


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
def test_the_author_is_known_behind_every_sign_that_nobody_sees(lab, sign):
    asked(lab)

    for name in (f"ad{sign}a", sign, f"gr{sign}ace"):
        with pytest.raises((NotAllowed, InvalidData)):
            lab.registry.approve("late", 1, by=name)

    assert lab.registry.get_approval("late", 1).state == "pending"


@pytest.mark.parametrize(
    "name",
    [
        *("unknown", " Unknown", ""),
        *("\u0430d\u0430m", "gr\ua4eece", "gr\u2c81ce", "gr\U000104aace", "gr\u13aace"),  # two alphabets in one word
    ],
    ids=ascii,
)
def test_nobody_approves_nothing(lab, name):
    asked(lab)

    with pytest.raises(InvalidData):
        lab.registry.approve("late", 1, by=name)


@pytest.mark.parametrize(
    ("author", "by"),
    [
        ("ada", "\u0430da"),
        ("ada", "\ua4ee\ua4d3\ua4ee"),
        ("ada", "\u0251d\u0251"),
        ("cope", "\u0441\u043e\u0440\u0435"),
        ("Bob", "\u0412\u041e\u0412"),
        ("tom", "\u03a4\u039f\u039c"),
    ],
    ids=ascii,
)
def test_letters_that_read_alike_make_no_other_person(lab, author, by):
    asked(lab, author=author)

    with pytest.raises(NotAllowed, match="somebody else"):
        lab.registry.approve("late", 1, by=by)


@pytest.mark.parametrize(
    "name",
    [
        "Ren\xe9e O\u2019Hara",
        "\u6797 Mei",
        "Ken\u592a\u90ce",
        "\u041b\u0435\u0432",
        "Ahmed \u0623\u062d\u0645\u062f",
        "\U00017000",
    ],
    ids=ascii,
)
def test_an_honest_name_of_any_alphabet_approves(lab, name):
    asked(lab)

    assert lab.registry.approve("late", 1, by=name).decided_by == name


def test_a_report_that_only_says_that_it_passed_is_refused_and_leaves_no_trace(lab):
    class Easy(GateReport):
        passed = True

    version = lab.version()
    report = lab.report(version, passed=False)
    easy = Easy(**vars(report))

    with pytest.raises(InvalidData, match="passed=True"):
        lab.registry.promote(easy, actor="bot", why="x")

    assert lab.registry.get_gate_report("late", 1) is None
    assert lab.registry.verify() == 1


def test_an_author_that_nobody_knows_can_ask_for_nothing(lab):
    with pytest.raises(NotAllowed, match="no author"):
        asked(lab, author="unknown")


def test_the_runs_author_stays_an_author_whatever_the_version_says(lab):
    version = lab.registry.register_model(lab.run(author="ada"), "late", author="nightly")
    lab.registry.record_gate_report(lab.report(version))
    lab.registry.request_approval("late", 1, requested_by="bot", why="x")

    with pytest.raises(NotAllowed, match="somebody else"):
        lab.registry.approve("late", 1, by="ada")


def test_where_the_policy_says_so_the_approver_does_not_promote(lab):
    version = asked(lab)
    lab.registry.set_policy("late", requires_approval=True, separate_promoter=True)
    lab.registry.approve("late", 1, by="grace")
    report = lab.registry.get_gate_report("late", version.version)

    with pytest.raises(NotAllowed, match="somebody else has to promote"):
        lab.registry.promote(report, actor="Grace", why="x")

    assert lab.registry.promote(report, actor="bot", why="x").version == 1


def test_a_report_from_the_future_is_refused(lab):
    version = lab.version()

    with pytest.raises(InvalidData, match="is the future"):
        lab.registry.record_gate_report(lab.report(version, evaluated_at=parse_utc("9999-12-31")))
    ahead = lab.clock.now() + timedelta(days=1)
    with pytest.raises(InvalidData, match="more than 1 day ahead is the future"):
        lab.registry.record_gate_report(lab.report(version, evaluated_at=ahead + timedelta(seconds=1)))
    assert lab.registry.record_gate_report(lab.report(version, evaluated_at=ahead)).target == "passed"


def test_one_moment_of_a_wrong_clock_does_not_date_what_follows(lab):
    lab.version()
    right = lab.clock.now()
    lab.clock.advance(timedelta(days=36_500))
    lab.registry.set_tag("late", 1, "a", "b")
    lab.clock.advance(timedelta(days=-36_500))

    lab.registry.set_tag("late", 1, "c", "d")

    assert lab.registry.history()[-1].at == right
    lab.registry.verify()


@pytest.mark.parametrize("alias", ["Champion", "CHAMPION", "Previous"])
def test_an_alias_that_would_be_taken_for_the_champion_is_refused(lab, alias):
    lab.version()

    with pytest.raises(InvalidData, match="taken for"):
        lab.registry.set_alias("late", alias, 1)


def test_latest_is_the_newest_version_here_as_on_the_command_line(lab):
    lab.version(), lab.version()

    assert lab.registry.get_by_alias("late", "latest").version == 2


def test_figures_of_another_version_are_no_evidence(lab):
    version = lab.version()

    for metrics, told in (({"served.roc_auc": 0.9}, "not those of this version"), ({}, "no measurement")):
        with pytest.raises(NotAllowed, match=told):
            lab.registry.promote(lab.report(version, metrics=metrics), actor="ada", why="x")

    assert lab.registry.get_model_version("late", 1).stage == "None"


def test_a_second_chance_does_not_launder_a_failed_report(lab):
    first, _ = lab.promoted(), lab.promoted()
    lab.registry.record_gate_report(lab.report(first, passed=False))
    lab.registry.transition_stage("late", 1, "Staging", actor="x", why="y")

    with pytest.raises(NotAllowed, match="latest gate report failed"):
        lab.registry.rollback("late", actor="x", why="y")


def test_a_line_break_forges_no_line_of_the_history(lab):
    lab.version()
    event = lab.registry.record_event(
        "late", 1, action="note", actor="ada", why="x\n9  2014  late v1  approve  by grace\x1b"[:-1]
    )

    assert len(str(event).splitlines()) == 1


@pytest.mark.parametrize(
    "changed", [{"served.log_loss.EWR": 0.1}, {"served.roc_auc": float("nan")}], ids=["to", "from"]
)
def test_nan_is_a_figure_of_its_own_and_not_any_figure(lab, changed):
    version = lab.version()
    figures = lab.tracker.get_run(version.run_id).metrics

    with pytest.raises(NotAllowed, match="the figures are not those of this version"):
        lab.registry.record_gate_report(lab.report(version, metrics={**figures, **changed}))


def test_a_report_by_another_gate_policy_than_the_demanded_one_is_refused(lab):
    version = lab.version()
    lab.registry.set_policy("late", gate_policy="sha256:strict")

    with pytest.raises(NotAllowed, match="demands"):
        lab.registry.promote(lab.report(version, policy="sha256:lax"), actor="ada", why="x")

    assert lab.registry.promote(lab.report(version, policy="sha256:strict"), actor="ada", why="x").version == 1


def test_an_author_who_loosens_the_policy_promotes_nothing_of_hers_by_it(lab):
    version = lab.version(author="ada")
    lab.registry.set_policy("late", requires_approval=True, actor="grace", why="passengers are rebooked")
    lab.registry.set_policy("late", requires_approval=False, actor="Ada", why="hurry")

    with pytest.raises(NotAllowed, match=r"Ada is an author of late v1 .*requires_approval, event 3"):
        lab.registry.promote(lab.report(version), actor="bot", why="x")
    lab.registry.set_policy("late", requires_approval=False, actor="ada", why="once more: I agree with myself")
    with pytest.raises(NotAllowed, match="somebody else has to agree"):
        lab.registry.promote(lab.report(version), actor="bot", why="x")
    lab.registry.set_policy("late", requires_approval=False, actor="grace", why="a toy after all")

    assert lab.registry.promote(lab.report(version), actor="bot", why="x").version == 1
    assert lab.registry.verify() == len(lab.registry.history())


@pytest.mark.parametrize("demand", [{"separate_promoter": True}, {"gate_policy": "sha256:strict"}])
def test_every_demand_is_loosened_by_somebody_else(lab, demand):
    version = lab.version(author="ada")
    lab.registry.set_policy("late", **demand, actor="grace", why="as agreed")
    lab.registry.set_policy("late", **{key: type(value)() for key, value in demand.items()}, actor="ada", why="hurry")

    with pytest.raises(NotAllowed, match=next(iter(demand))):
        lab.registry.promote(lab.report(version), actor="bot", why="x")


def test_a_policy_made_stricter_again_is_in_nobodys_way(lab):
    version = asked(lab)
    for asks in (True, False, True):
        lab.registry.set_policy("late", requires_approval=asks, actor="ada", why="to and fro")
    lab.registry.approve("late", 1, by="grace")

    assert lab.registry.promote(lab.report(version), actor="bot", why="x").version == 1


def test_nobody_in_particular_loosens_nothing(lab):
    lab.registry.set_policy("late", requires_approval=True)

    with pytest.raises(InvalidData, match="loosens a policy"):
        lab.registry.set_policy("late", requires_approval=False)
    assert lab.registry.requires_approval("late")
