"""A DAG as a pipeline for Vertex AI (KFP 2)."""

from __future__ import annotations

from mlops_lab.adapters.kubernetes.export import IMAGE, check_image
from mlops_lab.adapters.naming import identifiers, steps
from mlops_lab.adapters.writing import call, docstring, literal, sentence
from mlops_lab.base.errors import InvalidDefinition, UnknownName
from mlops_lab.pipeline.dag import DAG, REQUIRED, Param

_TYPES = {"string": "str", "date": "str", "integer": "int", "number": "float", "boolean": "bool"}
_TAKEN = (
    "bring_home",
    "keep_home",
    "run_task",
    "compiler",
    "dsl",
    "sys",
    "IMAGE",
    "date",
    "home",
    "task_id",
    "before",
    *("target", "source", "kept", "newest", "name", "os", "pathlib"),  # inside the components
    *("given", "params", "folder", "ended", "shutil", "tempfile", "run_one_task", "said_no"),
)

_COMPONENTS = '''
import sys

from kfp import compiler, dsl

IMAGE = {image}  # the image for pipelines, with kfp in it; its Dockerfile says how


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def bring_home(source: str, home: dsl.Output[dsl.Artifact]):
    """Copy the newest of the home folders that earlier runs kept in `source`; an empty one when there is none yet."""
    import pathlib
    import shutil

    kept = pathlib.Path(source or "nowhere")
    newest = kept / "NEWEST"
    if source and newest.exists():
        kept = kept / newest.read_text().strip()
    if source and kept.is_dir():
        shutil.copytree(kept, home.path, dirs_exist_ok=True)
    else:
        pathlib.Path(home.path).mkdir(parents=True, exist_ok=True)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def keep_home(target: str, date: str, before: dsl.Input[dsl.Artifact]):
    """Keep the home folder in `target`, where the next run finds it; named last, so that a half copy is never found."""
    import os
    import pathlib
    import shutil
    import tempfile

    if not target:
        print("no folder was given as `home`: what this run promoted ends with it")
        return
    os.makedirs(target, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f"{{date[:10]}}-", dir=target)
    shutil.copytree(before.path, folder, dirs_exist_ok=True)
    name = pathlib.Path(target, "NEWEST.new")
    name.write_text(os.path.basename(folder))
    os.replace(name, pathlib.Path(target, "NEWEST"))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def run_task(
    task_id: str,
    date: str,
{declared}    before: dsl.Input[dsl.Artifact],
    home: dsl.Output[dsl.Artifact],
) -> str:
    """Run one task in a home folder of its own, which is then the task's output; the state in which it ended."""
    import shutil
    import tempfile

    from mlops_lab.pipeline.problem import run_one_task, said_no

    # On a disk of its own: a bucket that is mounted as a folder cannot lock a database.
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(before.path, folder, dirs_exist_ok=True)
{given}
        ended = run_one_task(task_id, home=folder, date=date, params=params)
        shutil.copytree(folder, home.path, dirs_exist_ok=True)
    print(f"{{task_id}}: {{ended.state}}: {{ended.why}}")
    return said_no(ended) or ended.state
'''


def to_vertex(dag: DAG, *, image: str = IMAGE, condition: str = "gate", date: str = "2014-01-01") -> str:
    """The DAG as a Python file for KFP 2; run it to compile the pipeline that Vertex AI takes.

    Every task runs in the course's image and takes the home folder as an artifact from the task before it, so tasks run
    one after the other. The task `condition` decides: what comes after it, unless that runs in any case, stands below a
    `dsl.If` and is skipped when it says no; the pipeline itself then succeeds, because the gate did its work.

    The pipeline's argument `home` is a folder (of a mounted bucket, /gcs/BUCKET/late_flights) where each run keeps its
    home folder at its end, also when the gate refused, and where the next one begins; a run that fails keeps nothing.
    Left empty, the run begins with nothing and keeps nothing: for a trial. No task is cached, because each one writes:
    the same date again would get yesterday's answer.

    What differs there: a report is written before the promotion and not beside it, and a task that waits for somebody's
    approval ends as `waiting`; the tasks after it do not run, and the next run finds the approval given.

    Args:
        dag: the flights pipeline, or one whose tasks `run_one_task` can run.
        image: the course's image for pipelines (build --target pipeline), with a tag or a digest.
        condition: the task whose answer the rest hangs on.
        date: the default of the logical date.

    Raises:
        UnknownName: the DAG has no such task.
        InvalidDefinition: an image that cannot be one, or a function that no other process could find.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> [line.strip() for line in to_vertex(flights_pipeline()).splitlines() if "dsl.If" in line]
    ['with dsl.If(gate.outputs["Output"] == "success"):', 'with dsl.If(gate.outputs["Output"] != "success"):']

    See Also:
        https://www.kubeflow.org/docs/components/pipelines/
    """
    check_image(image)
    if condition not in dag.tasks:
        raise UnknownName("task", condition, dag.tasks, where=f"DAG {dag.dag_id}")
    found = {step.task.task_id: step for step in steps(dag)}
    words = identifiers(dag.params, _TAKEN)
    for odd in (name for name, word in words.items() if not word.isascii()):
        raise InvalidDefinition(f"KFP knows only the letters A to Z; call the param {odd!r} something else.")
    for several in (name for name in words if len(f"{dag.params[name].default}.".splitlines()) > 1):
        raise InvalidDefinition(
            f"KFP writes defaults into comments, of one line; give the param {several!r} a default without line breaks."
        )
    names = identifiers(found, {*_TAKEN, *words.values()})
    below = _below(dag, condition)
    order = [name for name in found if name not in below] + [name for name in found if name in below]
    passed = f'{names[condition]}.outputs["Output"] == "success"'
    lines, last, refused, opened = [], "home_of_production", "", False
    for name in order:
        if name in below and not opened:
            lines.append(f"    with dsl.If({passed}):")
            opened, refused = True, last
        lines += _wired(name, dag, names, last=last, indent="        " if opened else "    ")
        last = names[name]
    lines.append(f"{'    ' * (1 + opened)}{_keep(last)}")
    if opened:
        lines += [f"    with dsl.If({passed.replace('==', '!=')}):", f"        {_keep(refused)}"]
    declared = "".join(f"    {word}: {_TYPES[dag.params[name].type]},\n" for name, word in words.items())
    entries = [f"{literal(name)}: {word}" for name, word in words.items()]
    given = call("params = {", entries, "}", indent="        ")
    components = _COMPONENTS.format(image=literal(image), declared=declared, given=given).rstrip("\n")
    return (
        "\n".join([_opening(dag), components, "", "", _pipeline(dag, words, date), *lines, "", "", _closing(dag)])
        + "\n"
    )


def _keep(last: str) -> str:
    return f'keep_home(target=home, date=date, before={last}.outputs["home"]).set_caching_options(False)'


def _below(dag: DAG, condition: str) -> set[str]:
    """The tasks that only run when the condition said yes."""
    found: set[str] = set()
    for name in dag.topological_order():
        upstream = dag.upstream(name)
        runs_anyway = dag.tasks[name].trigger_rule in ("all_done", "always")
        if not runs_anyway and (condition in upstream or found.intersection(upstream)):
            found.add(name)
    return found


def _opening(dag: DAG) -> str:
    told = (
        f"{sentence(dag.description) or f'The DAG {dag.dag_id}.'}\n\n"
        "A KFP 2 pipeline for Vertex AI, written by `mlops-lab export vertex`: change the DAG there, write it again.\n"
        "Compile it with `python FILE pipeline.yaml`; compiling needs kfp, running it the course's image."
    )
    return docstring(told)


def _pipeline(dag: DAG, words: dict[str, str], date: str) -> str:
    arguments = [f"date: str = {literal(date)}", 'home: str = ""']
    arguments += [_argument(word, dag.params[name]) for name, word in words.items()]
    arguments.sort(key=lambda each: " = " in each)  # Python wants those first that have no default
    inner = "".join(f"    {each},\n" for each in arguments)
    named = call("@dsl.pipeline(", {"name": literal(_name(dag)), "description": literal(sentence(dag.description))})
    given = call("given = {", [f"{literal(word)}: {word}" for word in ("date", *words.values())], "}", indent="    ")
    first = f"{given}\n    home_of_production = bring_home(source=home).set_caching_options(False)"
    return f"{named}\ndef pipeline(\n{inner}):\n{first}"


def _argument(word: str, param: Param) -> str:
    default = "" if param.default is REQUIRED else f" = {literal(param.default)}"
    return f"{word}: {_TYPES[param.type]}{default}"


def _name(dag: DAG) -> str:
    return (
        "".join(each if each.isascii() and each.isalnum() else "-" for each in dag.dag_id.lower()).strip("-") or "dag"
    )


def _wired(name: str, dag: DAG, names: dict[str, str], *, last: str, indent: str) -> list[str]:
    task = dag.tasks[name]
    before = f'{last}.outputs["home"]'
    lines = [
        call(f"{names[name]} = run_task(", [f"task_id={literal(name)}", f"before={before}", "**given"], indent=indent)
    ]
    lines.append(f"{indent}{names[name]}.set_display_name({literal(name)})")
    lines.append(f"{indent}{names[name]}.set_caching_options(False)")
    if task.retries:
        seconds = int(task.retry_delay.total_seconds())
        retry = {"num_retries": str(task.retries), "backoff_duration": literal(f"{seconds}s")}
        retry["backoff_factor"] = "2.0" if task.retry_exponential_backoff else "1.0"
        if task.retry_exponential_backoff and task.max_retry_delay is not None:
            retry["backoff_max_duration"] = literal(f"{int(task.max_retry_delay.total_seconds())}s")
        lines.append(call(f"{names[name]}.set_retry(", retry, indent=indent))
    return lines


def _closing(dag: DAG) -> str:
    file = f'sys.argv[1] if sys.argv[1:] else "{_name(dag)}.yaml"'
    return f'if __name__ == "__main__":\n    compiler.Compiler().compile(pipeline, {file})'
