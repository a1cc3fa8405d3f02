"""Workflows that follow one another: what starts what, on which branch, how far down."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_lab.base.errors import UnknownName
from mlops_lab.ci import Environment, Outcome, Review, Trigger, load_workflow, parse_workflow, simulate_chain

ROOT = Path(__file__).resolve().parents[2]


def flow(name: str, on: str, body: str = "steps: [{run: x}]"):
    return parse_workflow(f"name: {name}\non: {on}\njobs: {{{name}: {{runs-on: x, {body}}}}}", file=f"{name}.yml")


def after(name: str, of: str, more: str = "", body: str = "steps: [{run: x}]"):
    return flow(name, f"{{workflow_run: {{workflows: [{of}]{more}}}}}", body)


def shown(runs) -> list[str]:
    return [f"{run.workflow} {run.conclusion or run.status}" for run in runs]


def test_a_run_starts_the_workflows_that_name_it_and_no_others():
    runs = simulate_chain(
        [flow("ci", "push"), after("deploy", "ci", ", types: [completed]"), after("other", "nightly")]
    )

    assert shown(runs) == ["ci.yml success", "deploy.yml success"]


def test_without_types_both_its_beginning_and_its_end_start_it():
    assert shown(simulate_chain([flow("ci", "push"), after("seen", "ci")])) == [
        "ci.yml success", "seen.yml success", "seen.yml success",
    ]  # fmt: skip


@pytest.mark.parametrize(("outcome", "ends"), [("success", "success"), ("failure", "skipped")])
def test_what_follows_can_ask_how_it_ended(outcome, ends):
    asks = "if: github.event.workflow_run.conclusion == 'success', steps: [{run: x}]"
    runs = simulate_chain(
        [flow("ci", "push"), after("deploy", "ci", ", types: [completed]", asks)], outcomes={"ci.yml": {"ci": outcome}}
    )

    assert shown(runs)[1] == f"deploy.yml {ends}"


def test_the_filter_looks_at_the_branch_of_the_first_run_and_the_second_runs_on_the_default_branch():
    asks = "if: github.ref == 'refs/heads/main', steps: [{run: x}]"
    both = [flow("ci", "push"), after("deploy", "ci", ", types: [completed], branches: [release]", asks)]

    topic = simulate_chain(both, Trigger("push", ref="refs/heads/topic"))
    release = simulate_chain(both, Trigger("push", ref="refs/heads/release"))

    assert (shown(topic), shown(release)) == (["ci.yml success"], ["ci.yml success", "deploy.yml success"])


def test_a_run_that_waits_has_not_completed():
    guarded = flow("ci", "push", "environment: prod, steps: [{run: x}]")
    follows = after("deploy", "ci", ", types: [completed]")
    prod = {"prod": Environment("prod", reviewers=("ada",))}

    waits = simulate_chain([guarded, follows], environments=prod)
    agreed = simulate_chain([guarded, follows], environments=prod, approvals=[Review("prod", by="ada")])

    assert (shown(waits), len(agreed)) == (["ci.yml waiting"], 2)


def test_no_more_than_three_levels_follow():
    flows = [flow("a0", "push"), *(after(f"a{n}", f"a{n - 1}", ", types: [completed]") for n in range(1, 6))]

    runs = simulate_chain(flows)

    assert shown(runs) == [
        "a0.yml success",
        "a1.yml success",
        "a2.yml success",
        "a3.yml success",
        "a4.yml not_triggered",
    ]


def test_a_workflow_that_follows_itself_ends():
    assert len(simulate_chain([flow("a", "push"), after("b", "b, a", ", types: [completed]")])) == 5


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(UnknownName, match=r"cii\.yml"):
        simulate_chain([flow("ci", "push")], outcomes={"cii.yml": {}})


# -- our own chain: train, promote, rollout ---------------------------------------------------------------------------

VERSION = {"train/pipeline": Outcome(outputs={"version": "3"}), "train/keep": Outcome(outputs={"digest": "abc"})}
PRODUCTION = {"production": Environment("production", reviewers=("ada", "grace"), prevent_self_review=True)}


def chain(trigger: Trigger, *, outcomes=VERSION, approvals=(), **more):
    train = load_workflow(ROOT / ".github/workflows/train.yml")
    (run,) = simulate_chain(
        [train], trigger, outcomes={train.file: outcomes}, environments=PRODUCTION, approvals=approvals, **more
    )
    return run


def conclusions(run, *names):
    return [next((job.conclusion or job.status for job in run.jobs if job.name == name), "-") for name in names]


JOBS = ("train and gate", "promote / staging", "promote / production", "promote / roll out (local) / local")
BY_HAND = Trigger("workflow_dispatch", actor="ada")


@pytest.mark.parametrize(
    ("trigger", "outcomes", "approvals", "expected"),
    [
        (BY_HAND, VERSION, [Review("production", by="grace")], ["success"] * 4),
        (BY_HAND, {"train/pipeline": "failure"}, [Review("production", by="grace")], ["failure", "-", "-", "-"]),
        (BY_HAND, VERSION, [], ["success", "success", "waiting", "-"]),
        (BY_HAND, VERSION, [Review("production", by="ada")], ["success", "success", "waiting", "-"]),
        (BY_HAND, VERSION, [Review("production", by="grace", approved=False)], ["success", "success", "failure", "-"]),
        (Trigger("schedule"), VERSION, [], ["success", "-", "-", "-"]),
        (Trigger("pull_request", fork=True, actor="eve"), VERSION, [], ["success", "-", "-", "-"]),
    ],
    ids=["honest", "refused", "nobody", "self", "rejected", "nightly", "fork"],
)
def test_our_own_chain(trigger, outcomes, approvals, expected):
    run = chain(trigger, outcomes=outcomes, approvals=approvals)

    assert conclusions(run, *JOBS) == expected


def test_a_refused_target_stops_those_after_it():
    failing = {**VERSION, "promote / roll out (kubernetes) / kubernetes/deliver/deliver": "failure"}

    run = chain(BY_HAND, outcomes=failing, approvals=[Review("production", by="grace")])

    jobs = [f"promote / roll out ({target})" for target in ("local", "kubernetes", "sagemaker", "vertex")]
    assert conclusions(run, *jobs) == ["success", "failure", "cancelled", "cancelled"]


def test_after_thirty_days_without_an_answer_it_is_a_no():
    from datetime import timedelta

    from mlops_lab.base.clock import FakeClock

    clock = FakeClock("2013-06-03T09:00Z")
    began = clock.now()
    clock.advance(timedelta(days=31))

    run = chain(BY_HAND, clock=clock, started=began)

    assert conclusions(run, *JOBS)[2] == "failure"


def test_two_promotions_at_once_wait_for_their_reviewers_side_by_side_and_roll_out_one_after_the_other():
    from mlops_lab.ci import ConcurrencyGroups, simulate

    promote, groups = load_workflow(ROOT / ".github/workflows/promote.yml"), ConcurrencyGroups()
    assert groups.enter("promote-production", "another run")

    run = simulate(
        promote,
        BY_HAND,
        inputs={"run-id": "7", "version": "3", "digest": "abc"},
        environments=PRODUCTION,
        approvals=[Review("production", by="grace")],
        groups=groups,
    )

    assert conclusions(run, "staging", "production", "roll out (local)") == ["success", "success", "pending"]
    assert groups.waiting("promote-production") == ("roll out (local)",)
