"""Which Python names do a DAG's tasks get in a file, and what does each take from the others?"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_lab.adapters.writing import literal
from mlops_lab.base.errors import InvalidDefinition
from mlops_lab.pipeline.dag import DAG, REQUIRED, Reference, Task
from mlops_lab.pipeline.dag.task import parameters_of, references_in

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class Step:
    """One task as a file has it: what fills its parameters, whose results those are, and what else it waits for.

    >>> from mlops_lab.pipeline.dag import task
    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> steps(flights_pipeline())[1]
    Step(build_training_set, takes check_data, waits for nothing else)
    """

    task: Task
    given: dict[str, Any]
    takes: tuple[str, ...]
    waits: tuple[str, ...]

    def __repr__(self) -> str:
        takes, waits = (", ".join(names) for names in (self.takes, self.waits))
        return f"Step({self.task.task_id}, takes {takes or 'nothing'}, waits for {waits or 'nothing else'})"


def steps(dag: DAG) -> list[Step]:
    """The tasks in running order.

    Raises:
        InvalidDefinition: a function that another process cannot find by its name, or a required param of a DAG that
            runs by a schedule, which has nobody to give it.
    """
    missing = [name for name, param in dag.params.items() if param.default is REQUIRED]
    if dag.schedule is not None and missing:
        raise InvalidDefinition(
            f"DAG {dag.dag_id} runs by a schedule, and its param {missing[0]!r} has no default: engines refuse that. "
            "Give it a default, or leave the schedule out."
        )
    return [_step(dag, dag.tasks[name]) for name in dag.topological_order()]


def _step(dag: DAG, task: Task) -> Step:
    _check_source(task)
    assert task.function is not None  # noqa: S101  _check_source has refused it
    upstream, given = dag.upstream(task.task_id), dict(dag.arguments(task.task_id))
    if task.approval:
        given.pop("decision", None)  # the engine's to fill
    for parameter in parameters_of(task.function)[0]:
        if parameter.name not in given and parameter.name in upstream:
            given[parameter.name] = Reference(parameter.name, dag)
    taken = {each.task_id for value in given.values() for each in references_in(value)}
    takes = tuple(name for name in upstream if name in taken)
    return Step(task, given, takes, tuple(name for name in upstream if name not in taken))


def _check_source(task: Task) -> None:
    if task.function is None:
        raise InvalidDefinition(
            f"task {task.task_id!r} has no function, so nothing can be said of its parameters; load the DAG with the "
            f"modules that hold its functions (it names {task.source or 'none'})."
        )
    module, _, name = task.source.partition(":")
    if module == "__main__" or not (_DOTTED.fullmatch(module) and _DOTTED.fullmatch(name)):
        raise InvalidDefinition(
            f"task {task.task_id!r} runs {task.source}, which no other process can find by that name; define the "
            "function at the top of a module that can be imported."
        )


def by_keyword(given: Mapping[str, str]) -> list[str]:
    """Arguments of a call: `name=value` where Python has such names, the others as one `**{…}` at the end.

    >>> by_keyword({"day": "1", "class": "2"})
    ['day=1', '**{"class": 2}']
    """
    plain = [each for each in given if each.isidentifier() and not keyword.iskeyword(each)]
    # Python knows one name that is neither a keyword nor free, and reads letters such as the ligature fi as others.
    plain = [each for each in plain if each != "__debug__" and unicodedata.normalize("NFKC", each) == each]
    odd = [f"{literal(name)}: {value}" for name, value in given.items() if name not in plain]
    return [f"{name}={given[name]}" for name in plain] + ([f"**{{{', '.join(odd)}}}"] if odd else [])


def identifiers(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """A Python identifier for each name, like it: no two the same, none of those taken, and no name of Python's own.

    >>> identifiers(["train", "2nd-try", "class", "2nd.try", "import"], taken=["train"])
    {'train': 'train_', '2nd-try': 'task_2nd_try', 'class': 'class_', '2nd.try': 'task_2nd_try_', 'import': 'import_'}
    """
    used, chosen = set(taken), {}
    for name in names:
        word = re.sub(r"\W", "_", unicodedata.normalize("NFKC", name))  # Python reads identifiers in this form
        word = word if word.isidentifier() and not word.startswith("_") else f"task_{word.lstrip('_')}"
        word = word if word.isidentifier() else "task"
        while word in used or keyword.iskeyword(word) or hasattr(builtins, word):
            word += "_"
        used.add(word)
        chosen[name] = word
    return chosen
