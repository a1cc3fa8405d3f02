"""What does the course promise of a registry, put as questions that any engine can be asked?

Each function is asked of a fresh `Desk` and answers with text. What the embedded registry answers is the promise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from mlops_lab.adapters.desk import Desk
from mlops_lab.base.errors import MlopsLabError


def _refused(call: Callable[[], Any]) -> str:
    try:
        call()
    except MlopsLabError as error:
        return f"refused ({type(error).__name__})"
    return "done"


def _same_run(desk: Desk) -> str:
    model = desk.tracker.artifacts.put_bytes(b"model")
    first, again = (desk.tracker.log_run("train", params={"c": 1.0}, artifact=model) for _ in range(2))
    return f"{len({first.run_id, again.run_id})} run"


def _comes_back(desk: Desk) -> str:
    params = {"c": 1.0, "on": True, "none": None, "text": "Zürich, 3 °C", "long": "x" * 9_000}
    run = desk.tracker.log_run("train", params=params, metrics={"auc": 0.7, "bad": math.nan, "far": math.inf})
    back = desk.tracker.get_run(run.run_id)
    return "as it was" if back.params == params and repr(back.metrics) == repr(run.metrics) else repr(back.params)


def _same_version(desk: Desk) -> str:
    run = desk.run()
    versions = {desk.registry.register_model(run, "late").version for _ in range(2)}
    return f"{len(versions)} version"


def _begins(desk: Desk) -> str:
    return f"stage {desk.version().stage}"


def _no_shortcut(desk: Desk) -> str:
    version = desk.version()
    return _refused(
        lambda: desk.registry.transition_stage("late", version.version, "Production", actor="ada", why="now")
    )


def _no_evidence(desk: Desk) -> str:
    desk.version()
    desk.registry.transition_stage("late", 1, "Staging", actor="ada", why="try")
    return _refused(lambda: desk.registry.transition_stage("late", 1, "Production", actor="ada", why="now"))


def _failed_gate(desk: Desk) -> str:
    report = desk.report(desk.version(), passed=False)
    return _refused(lambda: desk.registry.promote(report, actor="ada", why="now"))


def _old_champion(desk: Desk) -> str:
    late = desk.version()
    report = desk.report(late)
    desk.promoted()
    return _refused(lambda: desk.registry.promote(report, actor="ada", why="now"))


def _one_production(desk: Desk) -> str:
    desk.promoted()
    desk.promoted()
    return ", ".join(f"v{each.version} {each.stage}" for each in desk.registry.search(name="late"))


def _aliases(desk: Desk) -> str:
    desk.promoted()
    desk.promoted()
    found = {alias: desk.registry.get_by_alias("late", alias).version for alias in ("champion", "challenger")}
    return ", ".join(f"{alias} v{number}" for alias, number in found.items())


def _champion_by_hand(desk: Desk) -> str:
    desk.version()
    return _refused(lambda: desk.registry.set_alias("late", "champion", 1))


def _approval(desk: Desk) -> str:
    version = desk.version(author="ada")
    desk.registry.set_policy("late", requires_approval=True, actor="grace", why="passengers are rebooked on it")
    report = desk.report(version)
    desk.registry.record_gate_report(report)
    desk.registry.request_approval("late", 1, requested_by="ada", why="the gate passed")
    own = _refused(lambda: desk.registry.approve("late", 1, by="ADA"))
    desk.registry.approve("late", 1, by="grace")
    return f"by the author {own}, by another {_refused(lambda: desk.registry.promote(report, actor='ada', why='ok'))}"


def _rollback(desk: Desk) -> str:
    desk.promoted()
    desk.promoted()
    back = desk.registry.rollback("late", actor="grace", why="worse on snow days")
    return f"v{back.version} in Production again"


def _production_at(desk: Desk) -> str:
    desk.promoted()
    between = desk.clock.now() + timedelta(hours=1)
    desk.clock.sleep(7200)
    desk.promoted()
    then, now = desk.registry.production_at("late", between), desk.registry.get_production("late")
    return f"v{then.version if then else None} an hour later, v{now.version if now else None} now"


def _history(desk: Desk) -> str:
    desk.promoted()
    head = desk.registry.head()
    desk.promoted()
    return f"{desk.registry.verify(head=head)} events, each with who, when and why"


def _changed_bytes(desk: Desk) -> str:
    version = desk.version()
    report = desk.report(version)
    desk.tracker.artifacts.path(version.artifact).write_bytes(b"another model")
    return _refused(lambda: desk.registry.promote(report, actor="ada", why="now"))


def _dotted_alias(desk: Desk) -> str:
    desk.version()
    return _refused(lambda: desk.registry.set_alias("late", "winter.2013", 1))


def _foreign_run(desk: Desk) -> str:
    from dataclasses import replace

    run = replace(desk.run(), run_id="f" * 32)
    return _refused(lambda: desk.registry.register_model(run, "late"))


#: The promise in words, and the question that shows it.
REGISTRY_PROMISES: Mapping[str, Callable[[Desk], str]] = {
    "the same run, logged twice": _same_run,
    "params and metrics come back": _comes_back,
    "the same run, registered twice": _same_version,
    "a new version begins in": _begins,
    "from None straight to Production": _no_shortcut,
    "to Production without a gate report": _no_evidence,
    "to Production with a failed gate": _failed_gate,
    "with a report against a former champion": _old_champion,
    "after a second promotion": _one_production,
    "after it, the aliases are": _aliases,
    "the alias champion, set by hand": _champion_by_hand,
    "an approval": _approval,
    "a rollback": _rollback,
    "in Production at a moment": _production_at,
    "the history": _history,
    "a model's bytes were changed on disk": _changed_bytes,
    "an alias with a dot": _dotted_alias,
    "a run that this tracker does not know": _foreign_run,
}
