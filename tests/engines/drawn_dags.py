"""DAGs that chance draws, to see whether engines agree: odd in their words, or rough in how their tasks end."""

from __future__ import annotations

import builtins
import json
import keyword
import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mlops_lab.pipeline.dag import DAG, PRESETS, TRIGGER_RULES, FailTask, Param, SkipTask, Task, task

__all__ = ["hanging_dag", "odd_dag", "rough_dag"]

_NAMES = (
    *(each for each in (*keyword.kwlist, *keyword.softkwlist, *dir(builtins)) if each.strip("_")),
    *("a-b", "a_b", "a.b", "A_b", "a--b", "日本", "ﬁ", "fi", "Straße", "²", "2", "1.5", "--", "_", "__", "-.-"),
    *("__name__", "__file__", "__getattr__", "self", "cls", "moment", "params_", "call", "dag", "DAG", "task", "Param"),
    *("given", "before", "start", "step", "result", "flow", "upstream", "wait_for", "return_state", "run", "decision"),
    *("folder", "function", "words", "context", "source", "task_id", "ti", "ds", "conf", "retries", "flow_run", "os"),
    *("schema", "json", "copy", "model_config", "parameters", "a_b_result", "a_b_", "start_result", "name", "x" * 90),
)
_TEXTS = (
    *("", "plain", "quote \" and ' both", '"""\nimport os\nos.abort()\n"""', "ends with \\", "it's", 'say "x"'),
    *("{{ ds }} {placeholder} %s {names} {times} {date} {% raw %}", "line\nbreak\r\n\x00\x1b[2J\u2028\u202e"),
    *(
        "'); boom(); ('",
        "${HOME} `id`",
        "long " * 60,
        "ünï 日本 \U0001f600",
        "  spaced  ",
        "\t",
        "\x85",
        "\ud800 alone",
    ),
    *("#", "null", "yes", "1", "2013-09-01", "- a\n- b", "a: b", "!!python/object:os.system", "&a *a", '"""', '\\"'),
)
_CRONS = (
    *PRESETS,
    *("0 6 * * *", "*/5 * * * *", "30 2 * * MON-FRI", "0 0 l * *", "0 0 * * 5#2", "0 0 29 2 *", "0 0 * * 7"),
    "15,45 8-18/2 1-7 jan,jul sun",
)
_ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Etc/GMT+5")
_TAKEN = ("logical_date", "params", "clock", "home", "attempt", "run_id")


@task(retries=2, retry_delay=timedelta(0))
def acts(
    name: str,
    plan: Sequence[str],
    given: Any,
    attempt: int,
    params: Mapping[str, Any],
    logical_date: datetime,
    home: Path,
) -> dict[str, Any]:
    """Ends as the plan says for this attempt, and leaves in the home folder what it was given."""
    told = {"attempt": attempt, "given": given, "params": dict(params), "logical_date": logical_date.isoformat()}
    (home / f"{name}.json").write_text(json.dumps(told, sort_keys=True), "utf-8")
    word = plan[min(attempt, len(plan)) - 1]
    if word == "skip":
        raise SkipTask("the plan says so")
    if word == "stop":
        raise FailTask("the plan says that trying again cannot help")
    if word == "fail":
        raise TimeoutError("the plan says so")
    return {"by": name, "attempt": attempt}


def rough_dag(seed: int) -> DAG:
    """A small DAG whose tasks succeed, fail, skip themselves and try again as chance has it, under any trigger rule.

    >>> rough_dag(1) == rough_dag(1), rough_dag(1).dag_id
    (True, 'rough_1')
    """
    chance = random.Random(seed)  # noqa: S311  a seeded example, not a secret
    dag = DAG(
        f"rough_{seed}", params={"size": chance.randrange(9), "share": chance.random(), "word": chance.choice("ab")}
    )
    for at in range(chance.randint(3, 6)):
        name = f"t{at}"
        upstream = chance.sample(list(dag.tasks), min(at, chance.choice([0, 1, 2, 2, 3])))
        plan = [chance.choice(["ok", "ok", "ok", "fail", "fail", "skip", "stop"]) for _ in range(3)]
        each = acts.override(
            task_id=name, retries=chance.randrange(3), trigger_rule=chance.choice([*TRIGGER_RULES, "all_success"])
        )
        dag.add(each, upstream, arguments={"name": name, "plan": plan, "given": _given(dag, upstream, chance)})
    return dag


def _given(dag: DAG, upstream: Sequence[str], chance: random.Random) -> Any:
    from mlops_lab.pipeline.dag import Reference

    taken = [Reference(each, dag) for each in upstream if chance.random() < 0.6]
    return chance.choice([taken, {"all": taken, "none": None}, [{"first": each} for each in taken]])


@task
def anything(given: Any = None, **context: Any) -> Any:
    """Takes whatever it is given."""
    return given


def odd_dag(seed: int, *, size: int | None = None) -> DAG:
    """A legal DAG of odd names, texts, params and settings; of so many tasks, or of up to thirteen.

    >>> odd_dag(3) == odd_dag(3), len(odd_dag(4, size=500).tasks)
    (True, 500)
    """
    chance = random.Random(seed)  # noqa: S311  a seeded example, not a secret
    free = [each for each in _NAMES if each not in _TAKEN]
    start = chance.choice([None, "2013-01-01T00:00Z", "2013-03-31T01:30:00.000001+02:00", "1970-01-01T00:00Z"])
    dag = DAG(
        chance.choice(free),
        schedule=chance.choice([None, chance.choice(_CRONS)]),
        timezone=chance.choice(_ZONES),
        catchup=start is not None and chance.random() < 0.5,
        start_date=start,
        description=chance.choice(_TEXTS),
        tags=chance.sample([each for each in _TEXTS if len(each) < 100], chance.randrange(3)),
        params={name: _param(chance) for name in chance.sample([each for each in _NAMES if "." not in each], 3)},
    )
    count = chance.choice([0, 1, 2, 3, 5, 8, 13]) if size is None else size
    names = chance.sample(list(dict.fromkeys(free)), min(count, 60))
    for at, name in enumerate([*names, *(f"t{each}" for each in range(count - len(names)))]):
        upstream = chance.sample(list(dag.tasks), min(at, chance.choice([0, 1, 1, 2, 3, 20])))
        each = Task(
            name,
            anything.function,
            source=anything.source,
            retries=chance.choice([0, 0, 1, 3, 60]),
            retry_delay=timedelta(seconds=chance.choice([0, 0.5, 1, 300, 86400 * 40])),
            retry_exponential_backoff=chance.random() < 0.5,
            max_retry_delay=chance.choice([None, timedelta(seconds=0.1), timedelta(minutes=1), timedelta(days=30)]),
            execution_timeout=chance.choice([None, timedelta(seconds=2.5), timedelta(hours=1), timedelta(days=365)]),
            trigger_rule=chance.choice(list(TRIGGER_RULES)),
            description=chance.choice(_TEXTS),
            approval=chance.random() < 0.1,
        )
        words = chance.sample(
            ["given", "odd name", "class", "source", "ﬁ", "__debug__", *_TEXTS[:4]], chance.randrange(4)
        )
        dag.add(each, upstream, arguments={word: _value(dag, upstream, chance) for word in words})
    return dag


def _value(dag: DAG, upstream: Sequence[str], chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    if upstream and kind < 0.3:
        return _given(dag, upstream[:1], chance)
    if depth < 3 and kind < 0.45:
        return [_value(dag, upstream, chance, depth + 1) for _ in range(chance.randrange(4))]
    if depth < 3 and kind < 0.6:
        return {chance.choice(_TEXTS): _value(dag, upstream, chance, depth + 1) for _ in range(chance.randrange(4))}
    return chance.choice([None, True, False, 0, -1, 2**40, 1e300, 1e-300, 0.1, *_TEXTS])


def _param(chance: random.Random) -> Param:
    about, text = chance.choice(_TEXTS), chance.choice(_TEXTS)
    return chance.choice(
        [
            Param(text, description=about),
            Param(text, enum=(text, "b"), description=about),
            Param(None, type="string", enum=("a", "b")),
            Param(3, minimum=-5, maximum=9, description=about),
            Param(1, enum=(1, 2, 3)),
            Param(None, type="integer", minimum=1),
            Param(0.5, minimum=0, maximum=1e300),
            Param(0.5, enum=(0.5, 1, 2.5)),
            Param(chance.choice([True, False, None]), type="boolean"),
            Param("2013-09-01", type="date", minimum="2013-01-01", maximum="2014-01-01"),
            Param("2013-09-01", type="date", enum=("2013-09-01", "2013-09-02")),
            Param(None, type="date", minimum="2013-01-01"),
        ]
    )


@task(execution_timeout=timedelta(seconds=3))
def hangs_the_first_night(home: Path) -> str:
    """Waits for what never comes, but only once."""
    if (home / "came").exists():
        return "done"
    (home / "came").touch()
    while True:
        time.sleep(0.1)


def hanging_dag() -> DAG:
    """One task that hangs in its first run."""
    dag = DAG("hanging")
    dag.add(hangs_the_first_night)
    return dag
