"""Keys that few files have, with every kind of value: taken and refused as GitHub's own parser does."""

# ruff: noqa: E501 (in a table of files one case is one line)

from __future__ import annotations

import pytest

from mlops_lab.ci import WorkflowError, load_workflow, parse_workflow, simulate

STEPS = "    steps: [{run: make}]\n"
JOBS = "jobs:\n  a:\n    runs-on: x\n" + STEPS


def job(lines: str) -> str:
    return f"on: push\njobs:\n  a:\n    runs-on: x\n    {lines}\n{STEPS}"


def container(line: str) -> str:
    return job(f"container:\n      image: y\n      {line}")


def service(line: str) -> str:
    return job(f"services:\n      r:\n        image: y\n        {line}")


def problems(text: str) -> list[str]:
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(text)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "text",
    [
        container("credentials: ${{ fromJSON(secrets.REGISTRY) }}"),
        container("credentials: {username: x}"),
        container("ports: ['8080', 80]"),
        container("ports: ${{ fromJSON(matrix.ports) }}"),
        container("volumes: ['${{ matrix.volume }}']"),
        container("env: ${{ matrix.env }}"),
        container("env: {A: '${{ steps.s.outcome }}', B: 1, C: }"),
        container("options: 3"),
        service("entrypoint: sh"),
        service("command: -c true"),
        job("services: ${{ matrix.services }}"),
        job("services: {r: '${{ matrix.image }}'}"),
        job("container: ''"),
        job("container: ${{ matrix.image }}"),
        job("snapshot: image"),
        job("snapshot: {image-name: '${{ matrix.image }}', version: '2.*', if: success() && runner.os == 'Linux'}"),
        job("environment: {name: p, deployment: '${{ github.ref == needs.a.outputs.ref }}'}"),
        job("concurrency: {group: g, queue: '${{ matrix.queue }}'}"),
        job("strategy: ${{ fromJSON(needs.plan.outputs.strategy) }}"),
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: make, working-directory: ''}]\n",
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{uses: \"actions/checkout@v4\\n\"}]\n",
        "on: {workflow_dispatch: {inputs: }}\n" + JOBS,
        "on: {workflow_dispatch: {inputs: {a: {type: number, default: '3'}}}}\n" + JOBS,
    ],
)  # fmt: skip
def test_a_rare_value_that_github_takes_is_taken(text):
    assert parse_workflow(text).jobs["a"].steps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (container("ports: 8080"), "7:14: Unexpected value '8080'"),
        (container("ports: ['']"), "7:15: Unexpected value ''"),
        (container("ports: [[1]]"), "7:15: A sequence was not expected"),
        (container("volumes: {a: b}"), "7:16: A mapping was not expected"),
        (container("volumes: /a:/b"), "7:16: Unexpected value '/a:/b'"),
        (container("env: A=B"), "7:12: Unexpected value 'A=B'"),
        (container("env: {A: [1]}"), "7:16: A sequence was not expected"),
        (container("options: [a]"), "7:16: A sequence was not expected"),
        (container("credentials: {username: ''}"), "7:31: Unexpected value ''"),
        (container("credentials: ${{ matrx.x }}"), "7:20: Unrecognized named-value: 'matrx'. Located at position 1 within expression: matrx.x. Did you mean 'matrix'?"),
        (container("credentials: '${{ steps.s }}'"), "7:20: Unrecognized named-value: 'steps'. Located at position 1 within expression: steps.s"),
        (container("entrypoint: sh"), "7:7: Unexpected value 'entrypoint'"),
        (service("ports: 8080"), "8:16: Unexpected value '8080'"),
        (job("services: {r: }"), "5:18: Unexpected value ''"),
        (job("services: ${{ secrets.X }}"), "5:15: Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X"),
        (job("snapshot: ''"), "5:15: Unexpected value ''"),
        (job("snapshot: [x]"), "5:15: A sequence was not expected"),
        (job("snapshot: {version: '1.*'}"), "5:15: Required property is missing: image-name"),
        (job("snapshot: {image-name: x, version: '1.2'}"), "5:40: Expected format '{major-version}.*' Actual '1.2'"),
        (job("snapshot: {image-name: x, foo: 1}"), "5:31: Unexpected value 'foo'"),
        (job("environment: {name: p, deployment: '${{ secrets.X }}'}"), "5:40: Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X"),
        (job("strategy: ${{ secrets.X }}"), "5:15: Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.X"),
        ("on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: make, shell: '${{ matrix.shell }}'}]\n", "5:32: A template expression is not allowed in this context"),
        ("on: push\ndefaults: {run: {shell: '${{ github.ref }}'}}\n" + JOBS, "2:25: A template expression is not allowed in this context"),
        ("on: {workflow_call: {inputs: }}\n" + JOBS, "1:29: Unexpected value ''"),
        ("on: {workflow_call: {secrets: }}\n" + JOBS, "1:30: Unexpected value ''"),
        ("on: {workflow_call: {outputs: }}\n" + JOBS, "1:30: Unexpected value ''"),
        ("on: {workflow_dispatch: {inputs: {a: {description: '${{ 1 }}'}}}}\n" + JOBS, "1:52: A template expression is not allowed in this context"),
        ("on: {workflow_dispatch: {inputs: {a: {default: '${{ 1 }}'}}}}\n" + JOBS, "1:48: A template expression is not allowed in this context"),
    ],
)  # fmt: skip
def test_a_rare_value_that_github_refuses_is_refused(text, expected):
    assert problems(text) == [expected]


def test_a_strategy_that_is_computed_as_a_whole_makes_its_jobs():
    text = "on: push\njobs:\n  a:\n    runs-on: x\n    strategy: ${{ fromJSON(inputs.plan) }}\n" + STEPS
    workflow = parse_workflow(text.replace("on: push", "on: {workflow_dispatch: {inputs: {plan: {}}}}"))
    plan = '{"max-parallel": 1, "fail-fast": false, "matrix": {"v": [1, 2]}}'

    run = simulate(workflow, "workflow_dispatch", inputs={"plan": plan}, outcomes={"a (1)": "failure"})

    assert [(job.name, job.conclusion) for job in run.jobs] == [("a (1)", "failure"), ("a (2)", "success")]


def test_a_local_action_may_have_keys_of_its_authors_own(tmp_path):
    """The runner reads an action's top and its inputs loosely; public actions rely on it."""
    (tmp_path / "action.yml").write_text(
        "name: a\nhomepage: x\ninputs: {who: {description:: typo, default: you}}\nruns: {using: node24, main: i.js}\n"
    )
    file = tmp_path / "ci.yml"
    file.write_text("on: push\njobs: {a: {runs-on: x, steps: [{uses: ./}]}}\n")

    workflow = load_workflow(file)

    assert list(workflow.actions["./"].inputs) == ["who"]


def test_the_list_of_what_is_not_simulated_names_every_key_that_is_only_read():
    import mlops_lab.ci
    from mlops_lab.ci.read_jobs import _OTHER, _UNMODELLED

    told = mlops_lab.ci.__doc__ or ""

    assert [key for key in (*_UNMODELLED, *_OTHER, "background") if f"`{key}`" not in told] == []
