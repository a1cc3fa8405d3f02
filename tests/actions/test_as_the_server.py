"""What GitHub's servers and its runner do where the npm parser, or a first reading of the documentation, differs."""

# ruff: noqa: E501 (workflows in one line)

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from mlops_lab.base.errors import InvalidData
from mlops_lab.ci import (
    Environment,
    Outcome,
    Trigger,
    WorkflowError,
    evaluate,
    execute,
    expand_matrix,
    load_workflow,
    parse_workflow,
    simulate,
)
from mlops_lab.ci.expressions import hash_files
from mlops_lab.ci.globs import glob_matches
from mlops_lab.ci.loading import suspicions
from mlops_lab.cli import main


def one_job(extra: str = "", on: str = "push", steps: str = "[{run: a}]") -> str:
    return f"on: {on}\njobs:\n  a:\n    runs-on: x\n    steps: {steps}\n{extra}"


@pytest.mark.parametrize(
    ("condition", "conclusion", "traps"),
    [
        ("|\n      ${{ false }}", "success", 1),
        ('"${{ false }} "', "success", 1),
        ('" ${{ false }}"', "success", 1),
        (">-\n      ${{ false }}", "skipped", 0),
        ("|\n      false", "skipped", 0),
        ("${{ github.ref == '}}' }}", "skipped", 0),
        ("${{ true }} && ${{ false }}", "success", 1),
    ],
)
def test_an_if_is_one_expression_only_without_a_character_more(condition, conclusion, traps):
    job = parse_workflow(one_job(f"    if: {condition}\n"))
    step = parse_workflow(one_job(steps=f"\n      - run: b\n        if: {condition.replace('      ', '          ')}"))

    assert [simulate(job).job("a").conclusion, len(list(suspicions(job)))] == [conclusion, traps]
    assert [simulate(step).job("a").steps[0].conclusion, len(list(suspicions(step)))] == [conclusion, traps]


def test_the_steps_of_a_composite_action_are_looked_at_too(tmp_path, capsys):
    action = tmp_path / "act" / "action.yml"
    action.parent.mkdir()
    action.write_text('runs: {using: composite, steps: [{run: a, shell: bash, if: "${{ false }} "}]}')
    (tmp_path / "ci.yml").write_text(one_job(steps="[{uses: $/act}]"))

    code = main(["workflow", "lint", str(tmp_path / "ci.yml"), "--ours-only"])

    assert code == 1
    assert f"{action}:1:" in capsys.readouterr().out


def test_a_line_end_behind_an_expression_stays_in_an_env():
    run = simulate(parse_workflow(one_job("    env: {A: b}\n    outputs: {o: \"${{ 'x' }}\\n\"}\n")))

    assert run.job("a").outputs == {"o": "x\n"}


@pytest.mark.parametrize(
    ("on", "trigger", "starts"),
    [
        ("{push: {branches-ignore: [wip]}}", Trigger("push", ref="refs/tags/v1"), False),
        ("{push: {tags-ignore: [wip]}}", Trigger("push", ref="refs/heads/main"), False),
        ("{push: {branches-ignore: [wip]}}", Trigger("push"), True),
        ("{push: {branches-ignore: [wip], tags-ignore: [w]}}", Trigger("push", ref="refs/tags/v1"), True),
        (
            "{merge_group: {branches: [main]}}",
            Trigger("merge_group", ref="refs/heads/gh-readonly-queue/main/pr-1"),
            True,
        ),
        ("{merge_group: {branches: [main]}}", Trigger("merge_group", base_ref="release"), False),
        (
            "{merge_group: {branches: [main]}}",
            Trigger("merge_group", payload={"merge_group": {"base_ref": "refs/heads/v1"}}),
            False,
        ),
        ("{workflow_run: {workflows: [c], branches: [release]}}", Trigger("workflow_run"), False),
        (
            "{workflow_run: {workflows: [c], branches: [release]}}",
            Trigger("workflow_run", payload={"workflow_run": {"head_branch": "release"}}),
            True,
        ),
        ("{pull_request: {branches: [release]}}", Trigger("pull_request", base_ref="release"), True),
        ("push", Trigger("push", payload={"head_commit": {"message": "x [skip ci]"}}), False),
        ("push", Trigger("push", payload={"head_commit": {"message": "x\n\nskip-checks: true"}}), False),
        ("workflow_dispatch", Trigger("workflow_dispatch", payload={"head_commit": {"message": "[skip ci]"}}), True),
    ],
)
def test_a_filter_looks_at_the_ref_of_its_event(on, trigger, starts):
    run = simulate(parse_workflow(one_job(on=on)), trigger)

    assert (run.status != "not_triggered") is starts


def test_a_schedule_says_which_of_them_it_was():
    text = one_job(
        "    if: github.event.schedule == '0 18 * * 5'\n", "{schedule: [{cron: '0 9 * * *'}, {cron: '0 18 * * 5'}]}"
    )
    workflow = parse_workflow(text)

    ends = [simulate(workflow, Trigger("schedule", activity=cron)).job("a").conclusion for cron in (None, "0 18 * * 5")]

    assert ends == ["skipped", "success"]
    assert "not one of" in simulate(workflow, Trigger("schedule", activity="* * * * *")).reason


@pytest.mark.parametrize(
    ("rules", "trigger", "may"),
    [
        ({"branches": ["main"]}, Trigger("push"), True),
        ({"branches": ["main"]}, Trigger("push", ref="refs/tags/main"), False),
        ({"tags": ["v*"]}, Trigger("push", ref="refs/tags/v1"), True),
        ({"tags": ["v*"]}, Trigger("push", ref="refs/heads/v1"), False),
        ({"branches": ["main"]}, Trigger("pull_request"), False),
        ({"branches": ["refs/pull/*/merge"]}, Trigger("pull_request"), True),
        # as Ruby's fnmatch, not as the filters of a workflow: `?` is one character, `+` itself, `**` no way down
        ({"branches": ["v?"]}, Trigger("push", ref="refs/heads/v1"), True),
        ({"branches": ["v1?"]}, Trigger("push", ref="refs/heads/v"), False),
        ({"branches": ["v+"]}, Trigger("push", ref="refs/heads/v+"), True),
        ({"branches": ["v+"]}, Trigger("push", ref="refs/heads/vv"), False),
        ({"branches": ["release/**"]}, Trigger("push", ref="refs/heads/release/1/2"), False),
        ({"branches": ["release/**/*"]}, Trigger("push", ref="refs/heads/release/1/2"), True),
        ({"branches": ["*", "!main"]}, Trigger("push"), True),
        ({"branches": ["main"]}, Trigger("pull_request_target"), True),
        ({}, Trigger("pull_request"), True),
    ],
)
def test_an_environment_looks_at_the_ref_that_executes(rules, trigger, may):
    workflow = parse_workflow(one_job("    environment: prod\n", f"[{trigger.event}]"))

    run = simulate(workflow, trigger, environments={"prod": Environment("prod", **rules)})

    assert (run.conclusion == "success") is may


@pytest.mark.parametrize(
    ("trigger", "given"),
    [
        (Trigger("pull_request"), "s p"),
        (Trigger("pull_request", fork=True), " "),
        (Trigger("pull_request", actor="dependabot[bot]"), " "),
        (Trigger("push", actor="dependabot[bot]"), " "),
        (Trigger("pull_request_target", actor="dependabot[bot]"), " "),
        (Trigger("pull_request_target", fork=True), "s p"),
    ],
)
def test_a_pull_request_of_a_fork_gets_no_secret_not_even_of_an_environment(trigger, given):
    text = one_job(
        "    environment: prod\n    env: {A: '${{ secrets.S }} ${{ secrets.P }}'}\n    outputs: {o: \"${{ env.A }}\"}\n",
        f"[{trigger.event}]",
    )
    workflow = parse_workflow(text)

    run = simulate(
        workflow, trigger, environments={"prod": Environment("prod", secrets={"P": "p"})}, secrets={"S": "s"}
    )

    seen = [note for note in run.notes if "may contain secret" in note]
    assert (run.job("a").outputs == {"o": given}) is (given == " ")
    assert bool(seen) is (given != " ")
    assert any("secrets" in note or "token" in note for note in run.notes) is (
        trigger.fork or trigger.actor != "octocat" or "target" in trigger.event
    )


def test_a_reason_is_what_decided_and_an_unknown_output_is_said_to_be_unknown():
    steps = "[{id: gate, run: exit 2}, {name: keep, if: \"${{ !cancelled() && steps.gate.outputs.version != '' }}\", run: b}, {name: last, run: c}]"
    run = simulate(parse_workflow(one_job(steps=steps)), outcomes={"a/gate": "failure"})

    _, keep, last = run.job("a").steps

    assert keep.reason == (
        "if: ${{ !cancelled() && steps.gate.outputs.version != '' }}; steps.gate.outputs.version not known, taken as empty"
    )
    assert last.reason == "the job's status is failure"


def test_a_job_whose_if_does_not_look_past_what_failed_is_skipped_for_that():
    text = one_job("  b: {needs: a, if: github.ref != '', runs-on: x, steps: [{run: a}]}\n")

    run = simulate(parse_workflow(text), outcomes={"a": "failure"})

    assert run.job("b").reason == "needs a (failure)"


def test_a_matrix_that_nobody_knows_names_what_would_tell_it():
    text = one_job(
        '    outputs: {m: "${{ steps.s.outputs.m }}"}\n  b: {needs: a, runs-on: x, strategy: {matrix: {v: "${{ fromJSON(needs.a.outputs.m) }}"}}, steps: [{run: a}]}\n',
        steps="[{id: s, run: a}]",
    )
    workflow = parse_workflow(text)

    assert "--output a/s.m='[1, 2]'" in simulate(workflow).job("b").reason
    told = simulate(workflow, outcomes={"a/s": Outcome(outputs={"m": "[1, 2]"})})
    assert [job.name for job in told.jobs] == ["a", "b (1)", "b (2)"]


def test_a_list_in_a_list_is_spliced_by_an_expression_only():
    text = one_job('    strategy: {matrix: {os: [a, "${{ fromJSON(\'[\\"b\\", \\"c\\"]\') }}", [d]]}}\n').replace(
        "runs-on: x", 'runs-on: [self-hosted, "${{ fromJSON(\'[\\"gpu\\", \\"linux\\"]\') }}"]'
    )
    run = simulate(parse_workflow(text))

    assert [job.matrix["os"] for job in run.jobs] == ["a", "b", "c", ["d"]]
    assert run.jobs[0].runs_on == "self-hosted, gpu, linux"


@pytest.mark.parametrize(
    ("number", "text"),
    [("20140101123456789", "2.01401011234568E+16"), ("0.1", "0.1"), ("1e21", "1E+21"), ("0.00001", "1E-05"), ("-0", "0"),
     ("3.14159265358979312", "3.14159265358979"), ("123456789012345", "123456789012345"), ("0x" + "f" * 255, "1.12355820928895E+307")],
)  # fmt: skip
def test_a_number_has_fifteen_digits(number, text):
    assert evaluate(f"format('{{0}}', {number})") == text


def test_beyond_a_double_is_infinity():
    assert evaluate("0x" + "f" * 256) == float("inf")


@pytest.mark.parametrize(
    "text",
    [
        one_job(on="{workflow_dispatch: {inputs: {tag: }}}"),
        one_job(on="{workflow_dispatch: {unknown-key: 1}}"),
        one_job("    env: \"${{ fromJSON('{}') }}\"\n"),
        one_job(steps="[{run: a, env: \"${{ fromJSON('{}') }}\"}]"),
    ],
)
def test_what_the_server_takes_is_taken(text):
    assert simulate(parse_workflow(text), next(iter(parse_workflow(text).events))).conclusion == "success"


def test_a_file_deeper_than_fifty_is_refused():
    with pytest.raises(Exception, match="Maximum object depth exceeded"):
        parse_workflow("a: " + "[" * 50 + "]" * 50)


@pytest.mark.parametrize(
    ("pattern", "found"), [("req**", True), ("src", True), ("**/*.txt", True), ("r?q*.txt", True), ("x**", False)]
)
def test_hash_files_matches_as_the_toolkit_does(tmp_path: Path, pattern, found):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a")
    (tmp_path / "requirements.txt").write_text("b")

    assert bool(hash_files(tmp_path, [pattern])) is found


@pytest.mark.parametrize(
    "work",
    [
        lambda: glob_matches(["*a" * 8 + "b"], "a" * 300),
        lambda: glob_matches(["**a" * 60 + "b"], "a" * 300),
        lambda: glob_matches(["[a-z]+" * 60 + "B"], "a" * 300),
        lambda: _refused(_large()),
        lambda: simulate(
            parse_workflow("on: push\njobs:\n" + "".join(f"  j{n}: {{runs-on: x, steps: []}}\n" for n in range(4000)))
        ),
    ],
    ids=["stars", "double stars", "repeats", "exclude", "jobs"],
)
def test_what_is_large_ends_soon(work):
    begun = time.process_time()

    work()

    assert time.process_time() - begun < 5


def _refused(matrix: dict) -> None:
    with pytest.raises(InvalidData, match="GitHub allows at most 256"):
        expand_matrix(matrix)


def _large() -> dict:
    numbers = [float(n) for n in range(160)]
    return {"a": numbers, "b": numbers, "exclude": [{"a": float(n % 160), "b": float(n // 3)} for n in range(400)]}


def test_many_excludes_strike_what_they_name():
    jobs = expand_matrix({"a": [1, 2, 3], "b": ["x", "Y"], "exclude": [{"a": 2}, {"b": "y", "a": 3}, {"a": 9}]})

    assert jobs == [{"a": 1, "b": "x"}, {"a": 1, "b": "Y"}, {"a": 3, "b": "x"}]


def test_the_command_knows_base_head_fork_and_rules(tmp_path, capsys):
    file, rules = tmp_path / "ci.yml", tmp_path / "rules.yml"
    file.write_text(one_job("    environment: prod\n", "{pull_request: {branches: [release]}}"))
    rules.write_text("prod: {branches: ['refs/pull/*/merge'], wait_timer: 5}")
    command = ["workflow", "simulate", str(file), "--base", "release", "--fork", "--environments", str(rules)]

    code = main(command)

    assert code == 0
    assert "no secrets are given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("label", "runner"),
    [
        ("ubuntu-24.04", "Linux X64 github-hosted"),
        ("ubuntu-24.04-arm", "Linux ARM64 github-hosted"),
        ("windows-11-arm", "Windows ARM64 github-hosted"),
        ("macos-latest", "macOS ARM64 github-hosted"),
        ("macos-15-xlarge", "macOS ARM64 github-hosted"),
        ("macos-15-intel", "macOS X64 github-hosted"),
        ("macos-15-large", "macOS X64 github-hosted"),
        ("[self-hosted, macOS]", "macOS X64 self-hosted"),
        ("[self-hosted, linux, ARM64]", "Linux ARM64 self-hosted"),
    ],
)
def test_a_label_says_which_machine_it_is(label, runner):
    shown = "${{ runner.os }} ${{ runner.arch }} ${{ runner.environment }}"
    text = f"on: push\njobs:\n  a: {{runs-on: {label}, outputs: {{o: '{shown}'}}, steps: [{{run: a}}]}}"

    assert simulate(parse_workflow(text)).job("a").outputs == {"o": runner}


@pytest.mark.parametrize(
    ("trigger", "ran"),
    [
        (Trigger("pull_request"), True),
        (Trigger("pull_request", fork=True), False),
        (Trigger("pull_request", payload={"pull_request": {"head": {"repo": {"full_name": "eve/x"}}}}), False),
    ],
)
def test_a_pull_request_knows_its_own_repository_from_a_fork(trigger, ran):
    asks = "    if: github.event.pull_request.head.repo.full_name == github.repository\n"

    run = simulate(parse_workflow(one_job(asks, "pull_request")), trigger)

    assert (run.conclusion == "success") is ran
    assert run.notes == () or "fork" in run.notes[0]


@pytest.mark.parametrize(
    ("event", "path", "said"),
    [
        ("pull_request", "github.event.pull_request.draft", True),
        ("push", "github.event.head_commit.message", True),
        ("push", "github.event.pull_request.draft", False),  # a push has none: it is really null
        ("push", "github.event.inputs.x", False),
        ("release", "github.event.release.tag_name", True),
        ("pull_request", "github.event.pull_request.base.ref", False),
    ],
)
def test_what_of_the_event_nobody_told_is_a_note(event, path, said):
    in_job = simulate(parse_workflow(one_job(f"    if: {path} == 'x'\n", event)), event)
    in_step = simulate(parse_workflow(one_job(steps=f"[{{run: 'echo ${{{{ {path} }}}}'}}]", on=event)), event)

    assert [any(path in note for note in run.notes) for run in (in_job, in_step)] == [said, said]


def test_only_what_dependabot_causes_is_held_back():
    assert not Trigger("workflow_dispatch", actor="dependabot[bot]").is_untrusted
    assert not Trigger("push", fork=True).is_untrusted


@pytest.mark.parametrize(
    ("steps", "after", "cure"),
    [
        ("[{id: s, run: a}]", "if: fromJSON(needs.a.outputs.m).x, ", "--output a/s.m='{}'"),
        ("[{id: s, run: a}, {run: '${{ fromJSON(steps.s.outputs.v).x }}'}]", "", "--output a/s.v='{}'"),
        ("[{id: s, run: a}, {run: a, env: {E: '${{ fromJSON(steps.s.outputs.v).x }}'}}]", "", "--output a/s.v='{}'"),
        ("[{id: s, run: a}, {run: a, if: fromJSON(steps.s.outputs.v).x}]", "", "--output a/s.v='{}'"),
    ],
)
def test_what_cannot_be_computed_without_an_unknown_output_says_how_to_tell_it(steps, after, cure):
    more = f"    outputs: {{m: '${{{{ steps.s.outputs.m }}}}'}}\n  b: {{needs: a, {after}runs-on: x, steps: [{{run: b}}]}}\n"

    run = simulate(parse_workflow(one_job(more, steps=steps)))

    assert any(cure in job.reason for job in run.jobs), run.outline()


# In the schema of GitHub's own parser and of its runner, those with a `context` may be one expression.
WHOLE = {
    "env": "",
    "strategy": "",
    "container": "",
    "services": "",
    "environment": "",
    "defaults: {run": "",
    "outputs": "A template expression is not allowed in this context",
    "defaults": "A template expression is not allowed in this context",
    "permissions": "A template expression is not allowed in this context",
    "with": "A template expression is not allowed in this context",
    "secrets": "A template expression is not allowed in this context",
}


@pytest.mark.parametrize("key", WHOLE)
def test_what_may_be_one_expression_is_what_the_server_s_schema_says(key):
    body = (
        "uses: o/r/.github/workflows/w.yml@v1" if key in ("with", "secrets") else "runs-on: x\n    steps: [{run: echo}]"
    )
    text = f"on: push\njobs:\n  a:\n    {body}\n    {key}: \"${{{{ fromJSON('{{}}') }}}}\"" + "}" * key.count("{")

    try:
        parse_workflow(text)
        told = ""
    except WorkflowError as error:
        told = error.problems[0].reason

    assert told == WHOLE[key]


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_defaults_of_a_job_may_be_one_expression_and_a_step_s_own_words_go_before_them(tmp_path):
    text = one_job(
        """    defaults:\n      run: >-\n        ${{ fromJSON('{"shell": "python", "working-directory": "src"}') }}\n""",
        steps="[{run: mkdir src, shell: bash, working-directory: .}, {run: 'import os; print(os.getcwd()[-4:])'}]",
    )

    run = execute(parse_workflow(text, root=tmp_path))

    assert (run.conclusion, run.job("a").steps[1].log.strip()) == ("success", "/src"), run.outline()


@pytest.mark.parametrize(
    ("uses", "told"),
    [
        ({"a": "b", "b": "a"}, "nested more than 10 deep"),
        ({"a": "a"}, "nested more than 10 deep"),
        ({f"a{n or ''}": f"a{n + 1}" for n in range(11)}, "nested more than 10 deep"),
        ({f"a{n or ''}": " ".join([f"a{n + 1}"] * 9) for n in range(8)}, "more than 5000 steps"),
        ({f"a{n or ''}": f"a{n + 1}" for n in range(9)}, ""),
    ],
    ids=["two", "itself", "eleven", "a bomb", "ten"],
)
def test_actions_that_use_one_another_end(tmp_path, uses, told):
    for name, inner in {
        **uses,
        **{each: uses.get(each, "") for words in uses.values() for each in words.split()},
    }.items():
        steps = ", ".join([f"{{uses: $/{each}}}" for each in inner.split()] or ["{run: x, shell: bash}"])
        (tmp_path / name).mkdir()
        (tmp_path / name / "action.yml").write_text(f"runs: {{using: composite, steps: [{steps}]}}")
    (tmp_path / "w.yml").write_text(one_job(steps="[{uses: $/a}]"))

    if not told:
        assert simulate(load_workflow(tmp_path / "w.yml", root=tmp_path)).conclusion == "success"
        return
    with pytest.raises(WorkflowError, match=told):
        load_workflow(tmp_path / "w.yml", root=tmp_path)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [("[+--]x", ",x", True), ("[a-c]", "b", True), ("[a-c]", "-", False), ("[z-a]", "z", True)],
)
def test_odd_sets_of_a_filter_are_sets(pattern, name, matches):
    assert glob_matches([pattern], name) is matches
