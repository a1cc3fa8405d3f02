"""Simulated runs: which jobs and steps run, in which order, with which conclusion and why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_lab.base.clock import FakeClock
from mlops_lab.base.errors import InvalidData, InvalidDefinition, UnknownName
from mlops_lab.ci import (
    ConcurrencyGroups,
    Environment,
    Outcome,
    Review,
    Trigger,
    load_workflow,
    parse_workflow,
    simulate,
)


def jobs(text: str, *, on: str = "push"):
    """A workflow of jobs in short: each line `id: {…}`; a job without steps gets one."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    body = ""
    for line in lines:
        name, _, rest = line.strip().partition(": {")
        rest = rest.removesuffix("}")
        keys = "" if "runs-on" in rest or "uses: ./" in rest else "runs-on: ubuntu-24.04, "
        keys += "" if "steps:" in rest or "uses: ./" in rest else "steps: [{id: s, run: make}], "
        body += f"  {name}: {{{keys}{rest}}}\n"
    return parse_workflow(f"on: {on}\njobs:\n{body}")


def conclusions(run) -> dict[str, str]:
    return {job.name: job.conclusion or job.status for job in run.jobs}


def steps(run, job: str = "a") -> dict[str, str]:
    return {step.id: step.conclusion for step in run.job(job).steps}


# -- conditions between jobs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "after_success", "after_failure", "after_skip"),
    [
        ("", "success", "skipped", "skipped"),
        ("success()", "success", "skipped", "skipped"),
        ("failure()", "skipped", "success", "skipped"),
        ("always()", "success", "success", "success"),
        ("'!cancelled()'", "success", "success", "success"),
        ("cancelled()", "skipped", "skipped", "skipped"),
        ("success() || failure()", "success", "success", "skipped"),
        ("always() && needs.a.result == 'failure'", "skipped", "success", "skipped"),
        ("needs.a.result == 'failure'", "skipped", "skipped", "skipped"),
        ("github.ref == 'refs/heads/MAIN'", "success", "skipped", "skipped"),
        ("'false'", "skipped", "skipped", "skipped"),
        ("'${{ always() && false }}'", "skipped", "skipped", "skipped"),
        ("'${{ failure() }} || false'", "success", "success", "success"),  # a text, and so true: GitHub's trap
    ],
)  # fmt: skip
def test_the_table_of_parents_and_conditions(condition, after_success, after_failure, after_skip):
    wanted = f", if: {condition}" if condition else ""
    workflow = jobs(f"a: {{if: github.actor != 'skipper'}}\nb: {{needs: a{wanted}}}")

    found = [
        simulate(workflow).job("b").conclusion,
        simulate(workflow, outcomes={"a": "failure"}).job("b").conclusion,
        simulate(workflow, Trigger("push", actor="skipper")).job("b").conclusion,
    ]

    assert found == [after_success, after_failure, after_skip]


def test_a_skip_or_failure_goes_on_down_the_chain_past_a_job_that_ran_anyway():
    workflow = jobs("a: {}\nb: {needs: a, if: always()}\nc: {needs: b}\nd: {needs: b, if: failure()}")

    run = simulate(workflow, outcomes={"a": "failure"})

    assert conclusions(run) == {"a": "failure", "b": "success", "c": "skipped", "d": "success"}
    assert run.job("c").reason == "needs a (failure)"


def test_results_and_outputs_reach_the_jobs_that_need_them():
    workflow = parse_workflow("""
on: push
jobs:
  a:
    runs-on: x
    outputs: {version: 'v${{ steps.s.outputs.n }}', ok: '${{ job.status }}'}
    steps: [{id: s, run: make}]
  b:
    runs-on: x
    needs: a
    if: needs.a.outputs.version == 'v7' && needs.a.outputs.ok == 'success'
    steps: [{run: make}]
""")

    known = simulate(workflow, outcomes={"a/s": Outcome(outputs={"n": "7"})})
    unknown = simulate(workflow)

    assert (known.job("b").conclusion, known.notes) == ("success", ())
    assert unknown.job("b").conclusion == "skipped"
    assert unknown.notes == ("a: steps.s.outputs.n is not known when nothing is executed; it was taken as empty",)


def test_a_failing_job_that_may_fail_is_red_and_counts_as_success():
    workflow = jobs("a: {continue-on-error: true}\nb: {needs: a, if: needs.a.result == 'success'}")

    run = simulate(workflow, outcomes={"a": "failure"})

    assert conclusions(run) == {"a": "failure", "b": "success"}
    assert (run.job("a").result, run.conclusion) == ("success", "success")


def test_a_broken_expression_fails_the_job_with_its_place():
    run = simulate(jobs("a: {if: \"fromJSON('') == 1\"}\nb: {strategy: {matrix: '${{ fromJSON(github.sha) }}'}}"))

    assert conclusions(run) == {"a": "failure", "b": "failure"}
    assert "workflow.yml (Line: 3, Col: " in run.job("a").reason
    assert "empty input" in run.job("a").reason
    assert "the matrix must be a mapping" in run.job("b").reason or "Error parsing JSON" in run.job("b").reason


# -- matrices ---------------------------------------------------------------------------------------------------------


def test_one_failing_leg_cancels_the_others_unless_told_not_to():
    text = "a: {{strategy: {{fail-fast: {fast}, matrix: {{v: [1, 2, 3]}}}}, steps: [{{run: one}}, {{run: two}}]}}"

    fast = simulate(jobs(text.format(fast="true")), outcomes={"a (2)/1": "failure"})
    slow = simulate(jobs(text.format(fast="false")), outcomes={"a (2)/1": "failure"})

    assert conclusions(fast) == {"a (1)": "cancelled", "a (2)": "failure", "a (3)": "cancelled"}
    assert conclusions(slow) == {"a (1)": "success", "a (2)": "failure", "a (3)": "success"}
    assert fast.job("a (1)").reason == 'The strategy configuration was canceled because "a (2)" failed'
    assert fast.conclusion == "failure"


def test_a_leg_that_may_fail_cancels_nobody():
    workflow = jobs("a: {continue-on-error: '${{ matrix.v == 2 }}', strategy: {matrix: {v: [1, 2]}}}\nb: {needs: a}")

    run = simulate(workflow, outcomes={"a (2)": "failure"})

    assert conclusions(run) == {"a (1)": "success", "a (2)": "failure", "b": "success"}
    assert run.conclusion == "success"


def test_max_parallel_lets_so_many_run_at_once():
    run = simulate(jobs("a: {strategy: {max-parallel: 2, matrix: {v: [1, 2, 3, 4, 5]}}}"))

    starts = [(moment.at - run.timeline[0].at).seconds for moment in run.timeline if moment.what == "started"]
    assert starts == [0, 0, 1, 1, 2]


def test_a_matrix_may_come_from_a_job_before_it():
    workflow = parse_workflow("""
on: push
jobs:
  plan: {runs-on: x, outputs: {legs: '${{ steps.p.outputs.legs }}'}, steps: [{id: p, run: make}]}
  go:
    needs: plan
    runs-on: '${{ matrix.os }}'
    name: on ${{ matrix.os }} ${{ strategy.job-index }}/${{ strategy.job-total }}
    strategy: {matrix: {os: '${{ fromJSON(needs.plan.outputs.legs) }}'}}
    steps: [{run: make}]
  end: {needs: go, runs-on: x, steps: [{run: make}]}
""")

    run = simulate(workflow, outcomes={"plan/p": Outcome(outputs={"legs": '["linux", "mac"]'})})

    assert [(job.name, job.runs_on) for job in run.jobs] == [
        ("plan", "x"), ("on linux 0/2", "linux"), ("on mac 1/2", "mac"), ("end", "x"),
    ]  # fmt: skip
    assert ("on mac 1/2", "end") in run.edges


def test_of_the_outputs_of_legs_the_last_one_that_is_not_empty_stays():
    workflow = parse_workflow(
        """
on: push
jobs:
  a:
    runs-on: x
    strategy: {matrix: {v: [1, 2, 3]}}
    outputs: {v: '${{ matrix.v != 3 && matrix.v || '' }}', both: 'x${{ matrix.v }}'}
    steps: [{run: make}]
  b:
    runs-on: x
    needs: a
    outputs: {seen: '${{ needs.a.outputs.v }} ${{ needs.a.outputs.both }}'}
    steps: [{run: make}]
""".replace("|| ''", "|| null")
    )

    run = simulate(workflow)

    assert run.job("b").outputs == {"seen": "2 x3"}


# -- steps ------------------------------------------------------------------------------------------------------------


def test_steps_after_a_failure_run_only_when_they_ask_to():
    workflow = jobs("""
a: {steps: [{id: one, run: x}, {id: two, run: x}, {id: three, if: failure(), run: x}, {id: four, if: always(), run: x}, {id: five, if: "steps.one.outcome == 'failure'", run: x}, {id: six, if: "!cancelled() && steps.two.conclusion == 'skipped'", run: x}]}
""")  # noqa: E501

    run = simulate(workflow, outcomes={"a/one": "failure"})

    assert steps(run) == {
        "one": "failure", "two": "skipped", "three": "success", "four": "success", "five": "skipped", "six": "success",
    }  # fmt: skip
    assert run.conclusion == "failure"


def test_outcome_is_before_and_conclusion_after_continue_on_error():
    workflow = jobs("""
a: {steps: [{id: one, run: x, continue-on-error: true}, {id: two, run: x}, {id: three, if: "steps.one.outcome == 'failure' && steps.one.conclusion == 'success'", run: x}]}
""")  # noqa: E501

    run = simulate(workflow, outcomes={"a/one": "failure"})

    first = run.job("a").steps[0]
    assert (first.outcome, first.conclusion) == ("failure", "success")
    assert steps(run) == {"one": "success", "two": "success", "three": "success"}


def test_a_step_that_takes_too_long_fails_and_a_job_that_does_is_cancelled():
    workflow = jobs("""
a: {steps: [{id: s, run: x, timeout-minutes: 5}]}
b: {timeout-minutes: 10, steps: [{id: s, run: x}, {id: t, run: x}, {id: u, if: always(), run: x}]}
""")

    run = simulate(
        workflow, outcomes={"a/s": Outcome(seconds=301), "b/s": Outcome(seconds=500), "b/t": Outcome(seconds=500)}
    )

    assert run.job("a").steps[0].reason == "The action 'Run x' has timed out after 5 minutes."
    assert steps(run, "b") == {"s": "success", "t": "cancelled", "u": "success"}
    assert run.job("b").conclusion == "cancelled"
    assert run.job("b").reason == "The job has exceeded the maximum execution time of 10 minutes."


def test_variables_are_layered_and_the_nearest_wins():
    workflow = parse_workflow("""
on: push
env: {A: workflow, B: workflow, C: workflow}
jobs:
  a:
    runs-on: x
    env: {B: job, C: job}
    outputs: {seen: '${{ env.A }} ${{ env.B }} ${{ env.C }}'}
    steps:
      - {id: s, name: '${{ env.A }} ${{ env.B }} ${{ env.C }}', env: {C: step}, run: x}
""")

    run = simulate(workflow)

    assert run.job("a").steps[0].name == "workflow job step"
    assert run.job("a").outputs == {"seen": "workflow job job"}


def test_a_person_who_cancels_stops_what_runs_and_what_has_not_begun():
    steps_of_a = "{id: s, run: x}, {id: t, run: x}, {id: u, if: cancelled(), run: x}"
    workflow = jobs(f"a: {{steps: [{steps_of_a}]}}\nb: {{needs: a}}\nc: {{needs: a, if: always()}}")

    run = simulate(workflow, outcomes={"a/s": Outcome(seconds=100)}, cancel_after=timedelta(seconds=30))

    assert steps(run) == {"s": "cancelled", "t": "skipped", "u": "success"}
    assert conclusions(run) == {"a": "cancelled", "b": "skipped", "c": "success"}
    assert run.conclusion == "cancelled"


# -- events and inputs ------------------------------------------------------------------------------------------------

DISPATCH = """
on:
  workflow_dispatch:
    inputs:
      features: {type: choice, options: [honest, leaking], default: honest}
      force: {type: boolean, required: true}
      rows: {type: number, default: 5}
      note: {}
jobs:
  a: {runs-on: x, name: "${{ inputs.features }} ${{ inputs.force }} ${{ inputs.rows }} ${{ github.event.inputs.force == 'true' }} [${{ inputs.note }}]", if: inputs.force, steps: [{run: x}]}
"""  # noqa: E501


def test_inputs_of_a_manual_run_are_typed_and_checked():
    workflow = parse_workflow(DISPATCH)

    run = simulate(workflow, "workflow_dispatch", inputs={"force": "true"})

    assert run.jobs[0].name == "honest true 5 true []"
    assert simulate(workflow, "workflow_dispatch", inputs={"force": False}).conclusion == "skipped"
    with pytest.raises(InvalidData, match="Required input 'force' not provided"):
        simulate(workflow, "workflow_dispatch")
    with pytest.raises(InvalidData, match="'fast' for input 'features' not in the list of allowed values: honest"):
        simulate(workflow, "workflow_dispatch", inputs={"force": True, "features": "fast"})
    with pytest.raises(InvalidData, match="is not a number"):
        simulate(workflow, "workflow_dispatch", inputs={"force": True, "rows": "many"})
    with pytest.raises(UnknownName, match="no input 'forse'"):
        simulate(workflow, "workflow_dispatch", inputs={"forse": True})
    with pytest.raises(UnknownName, match="no event 'push'"):
        simulate(workflow, "push")


@pytest.mark.parametrize(
    ("on", "trigger", "starts"),
    [
        ("{push: {branches: [main, 'rel/**']}}", Trigger("push", ref="refs/heads/rel/1/2"), True),
        ("{push: {branches: [main, 'rel/*']}}", Trigger("push", ref="refs/heads/rel/1/2"), False),
        ("{push: {branches: ['**', '!wip/**']}}", Trigger("push", ref="refs/heads/wip/x"), False),
        ("{push: {branches-ignore: [main]}}", Trigger("push"), False),
        ("{push: {branches: [main]}}", Trigger("push", ref="refs/tags/v1"), False),
        ("{push: {tags: ['v[0-9]+.*']}}", Trigger("push", ref="refs/tags/v10.2"), True),
        ("{push: {tags: ['v1']}}", Trigger("push"), False),
        ("{push: {paths: ['src/**.py']}}", Trigger("push", paths=["src/a/b.py", "x"]), True),
        ("{push: {paths-ignore: ['docs/**']}}", Trigger("push", paths=["docs/x"]), False),
        ("{push: {paths-ignore: ['docs/**']}}", Trigger("push", paths=["docs/x", "y"]), True),
        ("{pull_request: {branches: [main]}}", Trigger("pull_request", base_ref="dev"), False),
        ("pull_request", Trigger("pull_request", activity="labeled"), False),
        ("{pull_request: {types: [labeled]}}", Trigger("pull_request", activity="labeled"), True),
    ],
)
def test_filters_decide_whether_a_run_starts(on, trigger, starts):
    run = simulate(jobs("a: {}", on=on), trigger)

    assert (run.status == "completed") is starts
    assert bool(run.reason) is not starts


def test_an_outcome_told_for_nothing_is_an_error():
    with pytest.raises(UnknownName, match="no outcome 'a/unitt'"):
        simulate(jobs("a: {steps: [{id: unit, run: x}]}"), outcomes={"a/unitt": "failure"})
    with pytest.raises(InvalidData, match="an outcome is one of"):
        simulate(jobs("a: {}"), outcomes={"a": "fail"})


# -- environments -----------------------------------------------------------------------------------------------------

PROMOTE = """
on: push
jobs:
  build: {runs-on: x, steps: [{run: make}]}
  staging: {runs-on: x, needs: build, environment: staging, steps: [{run: make}]}
  production:
    runs-on: x
    needs: staging
    environment: {name: production, url: 'https://example.org'}
    outputs: {key: '${{ secrets.KEY == ''s3'' }}'}
    steps: [{run: make}]
"""
GUARDED = Environment("production", reviewers=("ana", "ben"), prevent_self_review=True, secrets={"KEY": "s3"})


def promote(*reviews: Review, actor: str = "ben", environment: Environment = GUARDED, **more):
    environments = {"production": environment, "staging": {}}
    trigger = Trigger("push", actor=actor)
    return simulate(parse_workflow(PROMOTE), trigger, environments=environments, approvals=reviews, **more)


def test_a_job_waits_for_its_reviewers():
    run = promote()

    assert conclusions(run) == {"build": "success", "staging": "success", "production": "waiting"}
    assert (run.status, run.conclusion) == ("waiting", None)
    assert run.job("production").reason == "production asks for a review by one of ana, ben"
    assert run.job("production").steps == ()


def test_approval_opens_the_environment_and_only_then_its_secrets():
    run = promote(Review("production", by="ana", after=timedelta(hours=2), comment="looks good"))

    what = [(moment.what, moment.why) for moment in run.timeline if moment.subject == "production"]
    assert run.conclusion == "success"
    assert run.job("production").outputs == {"key": "true"}
    assert what[2:4] == [("approved", "by ana: looks good"), ("started", "")]
    assert run.job("production").started - run.job("staging").ended == timedelta(hours=2)


def test_nobody_approves_a_run_of_their_own_where_that_is_prevented():
    waiting = promote(Review("production", by="Ben"))
    then_approved = promote(Review("production", by="ben"), Review("production", by="ana"))
    allowed = promote(Review("production", by="ben"), environment=Environment("production", reviewers=("ben",)))

    refused = [moment.why for moment in waiting.timeline if moment.what == "review refused"]
    assert waiting.status == "waiting"
    assert refused == ["Ben started this run and may not review it: production prevents self-review"]
    assert (then_approved.conclusion, allowed.conclusion) == ("success", "success")


def test_a_stranger_and_a_review_of_another_environment_change_nothing():
    run = promote(Review("production", by="eve"), Review("staging", by="ana"))

    assert run.status == "waiting"
    assert [m.why for m in run.timeline if m.what == "review refused"] == [
        "eve is not a reviewer of production; the reviewers are ana, ben"
    ]


def test_a_rejection_fails_the_job_and_the_run():
    run = promote(Review("production", by="ana", approved=False, comment="too risky"))

    assert (run.job("production").conclusion, run.conclusion) == ("failure", "failure")
    assert run.job("production").reason == "rejected by ana: too risky"


def test_thirty_days_without_a_review_fail_the_job():
    clock = FakeClock("2026-01-01")
    begun = clock.now()
    clock.advance(timedelta(days=29, hours=23))

    before = promote(clock=clock, started=begun)
    clock.advance(timedelta(hours=2))
    after = promote(clock=clock, started=begun)

    assert before.status == "waiting"
    assert (after.conclusion, after.job("production").reason) == ("failure", "nobody reviewed it within 30 days")
    assert after.job("production").ended - after.job("staging").ended == timedelta(days=30)


def test_a_review_that_comes_after_thirty_days_comes_too_late():
    assert promote(Review("production", by="ana", after=timedelta(days=31))).conclusion == "failure"


def test_a_wait_timer_runs_beside_the_review():
    timed = Environment("production", reviewers=("ana",), wait_timer=60)

    early = promote(Review("production", by="ana", after=timedelta(minutes=5)), environment=timed)
    late = promote(Review("production", by="ana", after=timedelta(minutes=90)), environment=timed)

    waits = [run.job("production").started - run.job("staging").ended for run in (early, late)]
    assert waits == [timedelta(minutes=60), timedelta(minutes=90)]


def test_a_branch_that_may_not_deploy_fails_at_the_door():
    closed = Environment("production", branches=("main", "release/*"))
    workflow = parse_workflow(PROMOTE)
    environments = {"production": closed, "staging": {}}

    refused = simulate(workflow, Trigger("push", ref="refs/heads/dev"), environments=environments)
    allowed = simulate(workflow, Trigger("push", ref="refs/heads/release/1"), environments=environments)

    assert refused.job("production").reason == (
        'Branch "dev" is not allowed to deploy to production due to environment protection rules.'
    )
    assert (refused.conclusion, allowed.conclusion) == ("failure", "success")


def test_one_review_decides_for_all_that_wait_and_for_none_that_come_later():
    workflow = jobs("a: {environment: p}\nb: {environment: p}\nc: {environment: p, needs: [a, b]}")
    rules = {"p": Environment("p", reviewers=("ana",))}

    once = simulate(workflow, environments=rules, approvals=[Review("p", by="ana")])
    twice = simulate(workflow, environments=rules, approvals=[Review("p", by="ana")] * 2)

    assert conclusions(once) == {"a": "success", "b": "success", "c": "waiting"}
    assert twice.conclusion == "success"


def test_an_environment_nobody_described_is_noted():
    run = simulate(jobs("a: {environment: moon}"))

    assert run.notes == ("a: the environment 'moon' was not described; it was taken as unprotected",)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"reviewers": list("abcdefg")}, "7 reviewers; GitHub allows 6"),
        ({"wait_timer": 43_201}, "must be 0 to 43200"),
    ],
)
def test_rules_beyond_githubs_limits_are_refused(rules, reason):
    with pytest.raises(InvalidDefinition, match=reason):
        simulate(jobs("a: {environment: p}"), environments={"p": rules})


def test_an_unknown_rule_is_told_with_the_closest():
    with pytest.raises(UnknownName, match="Did you mean 'wait_timer'"):
        simulate(jobs("a: {environment: p}"), environments={"p": {"wait_time": 3}})


# -- concurrency ------------------------------------------------------------------------------------------------------


def test_a_called_workflow_names_its_group_by_its_own_inputs(tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ship.yml").write_text(
        "on: {workflow_call: {inputs: {to: {type: string, default: b}}}}\n"
        "concurrency: {group: 'ship-${{ inputs.to }}', queue: max}\n"
        "jobs: {go: {runs-on: x, steps: [{run: x}]}}\n"
    )
    (folder / "all.yml").write_text(
        "on: push\njobs:\n"
        "  a: {uses: ./.github/workflows/ship.yml, with: {to: a}}\n"
        "  b: {uses: ./.github/workflows/ship.yml}\n"
        "  c: {uses: ./.github/workflows/ship.yml, with: {to: B}}\n"
    )

    run = simulate(load_workflow(folder / "all.yml"))

    pending = [(moment.subject, moment.why) for moment in run.timeline if moment.what == "pending"]
    assert pending == [("c", "behind b in group 'ship-B'")]
    assert run.conclusion == "success"


def test_of_a_group_one_runs_one_waits_and_the_older_waiting_one_goes():
    workflow = jobs("a: {concurrency: G}\nb: {concurrency: g}\nc: {concurrency: G}")

    run = simulate(workflow)

    assert conclusions(run) == {"a": "success", "b": "cancelled", "c": "success"}
    assert run.job("b").reason == "Canceling since a higher priority waiting request for 'G' exists"
    assert run.job("c").started == run.job("a").ended


def test_a_queue_keeps_all_that_wait():
    group = "concurrency: {group: g, queue: max}"

    run = simulate(jobs(f"a: {{{group}}}\nb: {{{group}}}\nc: {{{group}}}"))

    begun = [(run.job(name).started - run.timeline[0].at).seconds for name in "abc"]
    assert (run.conclusion, begun) == ("success", [0, 1, 2])


def test_cancel_in_progress_takes_the_place_of_the_one_that_runs():
    workflow = jobs("a: {concurrency: g}\nw: {}\nb: {needs: w, concurrency: {group: g, cancel-in-progress: true}}")

    run = simulate(workflow, outcomes={"a/s": Outcome(seconds=60)})

    assert conclusions(run) == {"a": "cancelled", "w": "success", "b": "success"}


def test_a_run_waits_behind_another_run_of_its_group():
    workflow = parse_workflow("on: push\nconcurrency: deploy\njobs: {a: {runs-on: x, steps: [{run: x}]}}")
    groups = ConcurrencyGroups()
    groups.enter("Deploy", "run 41")

    run = simulate(workflow, groups=groups, run_name="run 42")

    assert (run.status, run.reason) == ("pending", "behind run 41 in group 'deploy'")
    assert groups.waiting("deploy") == ("run 42",)


def test_the_same_group_above_and_below_is_a_deadlock():
    workflow = parse_workflow(
        "on: push\nconcurrency: deploy\njobs: {a: {runs-on: x, concurrency: DEPLOY, steps: [{run: x}]}}"
    )

    run = simulate(workflow)

    assert run.job("a").conclusion == "cancelled"
    assert run.job("a").reason == (
        "Canceling since a deadlock for concurrency group 'DEPLOY' was detected between 'top level workflow' and 'a'"
    )


# -- calls and composite actions --------------------------------------------------------------------------------------

CALLER = """
on: push
jobs:
  go:
    strategy: {matrix: {target: [local, cloud]}}
    uses: ./.github/workflows/rollout.yml
    with: {target: '${{ matrix.target }}', weight: 10}
    secrets: {KEY: '${{ secrets.REPO_KEY }}'}
  after: {needs: go, runs-on: x, steps: [{run: x}], outputs: {url: '${{ needs.go.outputs.url }}'}}
"""
CALLEE = """
on:
  workflow_call:
    inputs:
      target: {type: string, required: true}
      weight: {type: number, default: 5}
      dry: {type: boolean}
    secrets: {KEY: {required: true}}
    outputs: {url: {value: 'https://${{ jobs.send.outputs.host }}'}}
jobs:
  send:
    runs-on: x
    outputs: {host: '${{ inputs.target }}-${{ inputs.weight + 0 }}'}
    steps: [{run: x}]
  watch:
    needs: send
    name: watch ${{ inputs.target }} ${{ inputs.dry }}
    runs-on: x
    environment: '${{ inputs.target }}'
    steps: [{id: w, run: x}]
""".replace(" + 0", "")


def repository(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / next(iter(files))


def test_a_called_workflow_has_typed_inputs_outputs_and_jobs_of_its_own(tmp_path):
    files = {".github/workflows/main.yml": CALLER, ".github/workflows/rollout.yml": CALLEE}
    workflow = load_workflow(repository(tmp_path, files))

    run = simulate(workflow, secrets={"REPO_KEY": "k"}, environments={"local": {}, "cloud": {"reviewers": ["ana"]}},
                   approvals=[Review("cloud", by="ana", after=timedelta(hours=1))])  # fmt: skip
    failed = simulate(workflow, outcomes={"go (cloud) / watch cloud false/w": "failure"})

    assert conclusions(run) == {
        "go (local)": "success",
        "go (local) / send": "success",
        "go (local) / watch local false": "success",
        "go (cloud)": "success",
        "go (cloud) / send": "success",
        "go (cloud) / watch cloud false": "success",
        "after": "success",
    }
    assert run.job("after").outputs == {"url": "https://cloud-10"}
    assert failed.job("go (cloud)").conclusion == "failure"
    assert failed.job("after").conclusion == "skipped"


def test_a_workflow_of_another_repository_is_not_known_and_said_to_be(tmp_path):
    workflow = parse_workflow("on: push\njobs: {a: {uses: o/r/.github/workflows/x.yml@v1}, b: {needs: a, runs-on: x}}")

    run = simulate(workflow, outcomes={"a": "failure"})

    assert conclusions(run) == {"a": "failure", "b": "skipped"}
    assert run.notes == ("a: o/r/.github/workflows/x.yml@v1 is of another repository; its jobs are not known",)


def test_a_composite_action_runs_its_steps_with_its_own_inputs(tmp_path):
    files = {
        ".github/workflows/main.yml": """
on: push
jobs:
  a:
    runs-on: x
    outputs: {out: '${{ steps.act.outputs.out }}'}
    steps:
      - {id: act, uses: $/act, with: {who: me}}
      - {id: after, run: x}
      - {id: clean, if: always(), uses: $/act}
""",
        "act/action.yml": """
name: act
inputs: {who: {default: nobody}, greeting: {default: hello}}
outputs: {out: {value: '${{ inputs.greeting }} ${{ inputs.who }} ${{ steps.i.outputs.n }}'}}
runs:
  using: composite
  steps:
    - {id: i, run: x, shell: bash}
    - {id: j, if: failure(), run: x, shell: bash}
""",
    }
    workflow = load_workflow(repository(tmp_path, files))

    run = simulate(workflow, outcomes={"a/act/i": Outcome(outputs={"n": "7"})})
    failed = simulate(workflow, outcomes={"a/act/i": "failure"})

    assert run.job("a").outputs == {"out": "hello me 7"}
    assert [(step.id, step.conclusion) for step in failed.job("a").steps[0].steps] == [
        ("i", "failure"),
        ("j", "success"),
    ]
    assert steps(failed) == {"act": "failure", "after": "skipped", "clean": "success"}


def test_what_is_not_modelled_is_said():
    workflow = jobs(
        "a: {container: node, services: {db: {image: x}}, steps: [{id: s, run: x}, {wait: s}, {uses: a/b@v1}]}"
    )

    run = simulate(workflow)

    assert run.notes == (
        "a: 'container' is read and checked, and not simulated",
        "a: 'services' is read and checked, and not simulated",
        "a: 'wait' steps are not modelled; 'wait' did not run",
    )
    assert [step.conclusion for step in run.job("a").steps] == ["success", "skipped", "success"]


# -- the whole --------------------------------------------------------------------------------------------------------


def test_the_outline_reads_like_the_run():
    run = promote()

    assert (
        run.outline()
        == """\
workflow.yml (workflow.yml) on push: waiting
  build: success
    Run make: success
  staging after build [staging]: success
    Run make: success
  production after staging [production]: waiting - production asks for a review by one of ana, ben"""
    )


RESULTS = st.sampled_from(["success", "failure", "success"])
CONDITIONS = st.sampled_from(["", "always()", "failure()", "'!cancelled()'", "success()"])


@pytest.mark.slow
@given(st.lists(st.tuples(RESULTS, CONDITIONS, st.sets(st.integers(0, 6), max_size=3)), min_size=1, max_size=7))
def test_any_graph_ends_as_a_slow_obvious_walk_says(plan):
    text, outcomes = "", {}
    for index, (result, condition, parents) in enumerate(plan):
        needs = [f"j{parent}" for parent in sorted(parents) if parent < index]
        text += f"j{index}: {{needs: [{', '.join(needs)}]{f', if: {condition}' if condition else ''}}}\n"
        outcomes[f"j{index}"] = result
    expected: dict[int, str] = {}
    above: dict[int, set[int]] = {}
    for index, (result, condition, parents) in enumerate(plan):
        direct = {parent for parent in parents if parent < index}
        above[index] = direct.union(*(above[parent] for parent in direct))
        seen = {expected[parent] for parent in above[index]}
        good, bad = seen <= {"success"}, "failure" in seen
        truth = {"": good, "success()": good, "failure()": bad, "always()": True, "'!cancelled()'": True}[condition]
        expected[index] = result if truth else "skipped"

    run = simulate(jobs(text), outcomes=outcomes)
    again = simulate(jobs(text), outcomes=outcomes)

    assert conclusions(run) == {f"j{index}": result for index, result in expected.items()}
    assert run == again


def test_a_condition_that_is_always_true_by_mistake_is_noted():
    run = simulate(jobs("a: {if: \"${{ github.ref == 'x' }} && true\"}"))

    assert run.job("a").conclusion == "success"
    assert run.notes == ("job a: the `if` at workflow.yml:3:63 mixes text with an expression, and so is always true",)


def test_a_step_told_to_be_cancelled_cancels_its_job():
    workflow = jobs("a: {steps: [{id: s, run: x}, {id: t, run: x}, {id: u, if: always(), run: x}]}\nb: {needs: a}")

    run = simulate(workflow, outcomes={"a/s": "cancelled"})

    assert steps(run) == {"s": "cancelled", "t": "skipped", "u": "success"}
    assert conclusions(run) == {"a": "cancelled", "b": "skipped"}
    assert run.conclusion == "cancelled"


def test_a_timeout_that_is_no_number_fails_with_its_place_and_a_huge_one_is_bounded():
    text = "on: push\njobs:\n  a: {runs-on: x, timeout-minutes: \"${{ fromJSON('[1]') }}\", steps: [{run: x}]}\n"
    text += "  b: {runs-on: x, timeout-minutes: .inf, steps: [{run: x, timeout-minutes: 0}]}\n"

    run = simulate(parse_workflow(text))

    prefix = "Error when evaluating 'timeout-minutes' for job 'a'. "
    assert run.job("a").reason == prefix + "workflow.yml (Line: 3, Col: 36): Unexpected value 'Array'"
    assert run.job("b").conclusion == "success"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_refused(seconds):
    with pytest.raises(InvalidData, match="a step takes 0 to"):
        Outcome(seconds=seconds)


def test_a_start_without_a_time_zone_is_refused():
    with pytest.raises(InvalidData, match="no time zone"):
        simulate(jobs("a: {}"), started=FakeClock().now().replace(tzinfo=None))


def test_a_matrix_of_which_everything_is_excluded_runs_its_job_once_without_a_matrix():
    run = simulate(jobs("a: {strategy: {matrix: {v: [1], exclude: [{v: 1}]}}}\nb: {needs: a}"))

    assert conclusions(run) == {"a": "success", "b": "success"}
    assert run.job("a").matrix == {}


def test_a_leg_is_named_after_its_vectors_and_a_long_name_is_cut():
    run = simulate(jobs(f"a: {{strategy: {{matrix: {{v: [1, {'x' * 200}], include: [{{v: 1, gpu: true}}]}}}}}}"))

    assert [job.name for job in run.jobs] == ["a (1)", "a (" + "x" * 94 + "..."]
    assert run.job("a (1)").matrix == {"v": 1, "gpu": True}


def test_an_inserted_mapping_and_a_computed_key_become_variables():
    text = """
on: push
env: ${{ github.event.all }}
jobs:
  a:
    runs-on: x
    env: {'${{ insert }}': '${{ github.event.more }}', '${{ github.event.name }}': own}
    strategy: {matrix: {'${{ insert }}': '${{ github.event.matrix }}', os: [x]}}
    steps:
      - {id: s, if: "env.A == 'wf' && env.B == 'job' && env.C == 'own' && matrix.v == 2", run: x}
"""
    payload = {"all": {"A": "wf", "B": "wf"}, "more": {"B": "job"}, "name": "C", "matrix": {"v": [2]}}

    run = simulate(parse_workflow(text), Trigger("push", payload=payload))

    assert [step.conclusion for step in run.jobs[0].steps] == ["success"]
    assert run.jobs[0].matrix == {"v": 2, "os": "x"}


def test_what_is_inserted_must_be_a_mapping_of_words():
    text = "on: push\njobs: {a: {runs-on: x, env: {'${{ insert }}': '${{ github.event.x }}'}, steps: [{run: x}]}}"

    for payload, reason in (
        ({"x": "text"}, "A mapping was expected"),
        ({"x": {"A": [1]}}, "A sequence was not expected"),
    ):
        run = simulate(parse_workflow(text), Trigger("push", payload=payload))

        assert reason in run.job("a").reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("if: fromJSON(github.nothing)", "Error when evaluating 'if' for job 'a'. workflow.yml (Line: 5, Col: 9): "),
        ("strategy: '${{ fromJSON(github.nothing) }}'", "Error when evaluating 'strategy' for job 'a'. workflow.yml"),
        ("name: '${{ fromJSON(github.nothing) }}'", "Error when evaluating 'name' for job 'a'. workflow.yml"),
        ("environment: '${{ fromJSON(github.nothing) }}'", "Error when evaluating 'environment' for job 'a'. workflow"),
        ("timeout-minutes: ${{ fromJSON('[') }}", "Error when evaluating 'timeout-minutes' for job 'a'. workflow.yml"),
        ("concurrency: '${{ github.head_ref }}'", "Concurrency group name cannot be empty"),
    ],
)
def test_a_key_of_a_job_that_cannot_be_computed_fails_it_and_is_named(body, reason):
    run = simulate(parse_workflow(f"on: push\njobs:\n  a:\n    runs-on: x\n    {body}\n    steps: [{{run: make}}]\n"))

    assert run.conclusion == "failure"
    assert reason in run.job("a").reason


def test_the_outputs_of_a_called_workflow_that_cannot_be_computed_are_a_note_where_nobody_called_it():
    text = (
        "on: {workflow_call: {inputs: {who: {type: string, default: '${{ github.actor }}'}}, "
        "outputs: {x: {value: '${{ fromJSON(jobs.a.outputs.x) }}'}}}}\n"
        "jobs: {a: {name: '${{ inputs.who }}', runs-on: x, steps: [{run: make}]}}"
    )

    run = simulate(parse_workflow(text), "workflow_call")

    assert (run.conclusion, run.outputs, [job.name for job in run.jobs]) == ("success", {}, ["octocat"])
    assert "the outputs of the workflow cannot be computed: workflow.yml (Line: 1" in run.notes[-1]


def test_what_is_told_of_a_composite_step_is_its_outcome(tmp_path):
    (tmp_path / "action.yml").write_text("runs: {using: composite, steps: [{id: s, run: a, shell: bash}]}")
    (tmp_path / "w.yml").write_text(
        "on: push\njobs:\n  a:\n    runs-on: x\n    outputs: {o: '${{ steps.c.outputs.o }}'}\n"
        "    steps: [{id: c, uses: $/}, {run: b, if: always()}]\n"
    )
    workflow = load_workflow(tmp_path / "w.yml", root=tmp_path)

    failed = simulate(workflow, outcomes={"a/c": "failure"}).job("a")
    told = simulate(workflow, outcomes={"a/c": Outcome(outputs={"o": "7"})}).job("a")
    inner = simulate(workflow, outcomes={"a/c/s": "failure"}).job("a")

    assert [job.conclusion for job in (failed, told, inner)] == ["failure", "success", "failure"]
    assert told.outputs == {"o": "7"}
