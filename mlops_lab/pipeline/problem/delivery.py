"""The tasks that judge a version, promote it and put it to work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock, parse_utc
from mlops_lab.base.errors import InvalidData, NotAllowed, UnknownName
from mlops_lab.base.fingerprint import fingerprint_frame
from mlops_lab.models.gates import DATA_RULES, DataProfile, Measured, evaluate_gates, profile
from mlops_lab.models.registry import GateReport, ModelVersion, Registry
from mlops_lab.models.tracking import Run
from mlops_lab.models.training import METRICS, NUMBER_METRICS
from mlops_lab.pipeline.dag import SkipTask, task
from mlops_lab.pipeline.engines import open_registry, open_tracker
from mlops_lab.pipeline.problem.frames import get_json, get_training_set, put_json
from mlops_lab.pipeline.problem.home import problem_of
from mlops_lab.pipeline.problem.problem import Problem
from mlops_lab.pipeline.problem.steps import MADE_HERE, problem_store

if TYPE_CHECKING:
    import pandas as pd

    from mlops_lab.models.rollout import RolloutPolicy


Result = dict[str, Any]
Frames = dict[
    str, tuple["pd.DataFrame", "pd.DataFrame"]
]  # of an exam's rows by feature service: offline, and as served
Params = Mapping[str, Any]
_PAST_THE_GATE = ("Production", "Archived")


def compares_with_the_champion(result: Result, train: Result, clock: Clock, home: Path) -> bool:
    """Was the champion of now measured, or is the run's own version past its gate?"""
    registry, name = open_registry(home, clock=clock), problem_of(home).name
    if name not in registry.list_models():
        return result["champion"] is None
    if any(each.run_id == train["run_id"] for each in registry.search(name=name) if each.stage in _PAST_THE_GATE):
        return True
    champion = registry.get_production(name)
    return bool(result["champion"] == (None if champion is None else champion.version))


@task(still_holds=compares_with_the_champion)
def evaluate(
    build_training_set: Result, train: Result, params: Params, logical_date: datetime, clock: Clock, home: Path
) -> Result:
    """Score the champion again on the challenger's holdout, with the champion's own features."""
    tracker, registry = open_tracker(home, clock=clock), open_registry(home, clock=clock)
    problem, run = problem_of(home), tracker.get_run(train["run_id"])
    known = get_training_set(tracker.artifacts, build_training_set["known"], role="known")
    served = get_training_set(tracker.artifacts, build_training_set["served"], role="served")
    if fingerprint_frame(known.frame) != run.inputs["training_set"]:
        raise InvalidData(f"run {run.run_id[:8]} has not learnt from these rows; evaluate it on what came with them.")
    rows = served.frame[[name for name in served.frame.columns if name not in served.features]]
    frames: Frames = {}
    if run.run_id in MADE_HERE:
        exam = known.frame[known.frame["event_timestamp"] >= rows["event_timestamp"].min()]
        frames[str(params["features"])] = exam, served.frame
    else:
        rows = _exam(run, home)
        check_figures(run.metrics, run, rows, home, clock, frames)
    champion = registry.get_production(problem.name) if problem.name in registry.list_models() else None
    figures = None
    if champion is not None:
        figures = _figures(tracker.get_run(champion.run_id), rows, home, clock, frames)
    measured = {
        "run_id": run.run_id,
        "artifact": run.artifact,
        "champion_artifact": None if champion is None else champion.artifact,
        "metrics": run.metrics,
        "champion": figures,
        "data": profile(known.frame, logical_date).to_dict(),
        "holdout": fingerprint_frame(rows[[problem.key, problem.label]]),
    }
    number = champion.version if champion is not None else None
    kept = put_json(tracker.artifacts, measured)
    _MEASURED_HERE.add(kept)
    return {"measured": kept, "champion": number}


_MEASURED_HERE: set[str] = set()  # by this process itself: what others hand over is measured again


def _figures(run: Run, rows: pd.DataFrame, home: Path, clock: Clock, frames: Frames) -> dict[str, float]:
    """The figures of a run's model on these rows; `frames` gives the features there, and keeps what was read."""
    from mlops_lab.models.training import score

    tracker, problem = open_tracker(home, clock=clock), problem_of(home)
    service = str(run.params.get("feature_service"))
    if service not in frames:
        store = problem_store(home, clock=clock)
        offline = store.get_historical_features(rows, features=service).frame
        frames[service] = offline, store.replay(rows, features=service).frame
    offline, served = frames[service]
    model = tracker.artifacts.load_model(str(run.artifact))
    gone = sorted(set(getattr(model, "feature_names_in_", ())) - set(served.columns))
    if gone:
        versions = [each for each in open_registry(home, clock=clock).search() if each.run_id == run.run_id]
        subject = f"{versions[0].name} {versions[0].version}" if versions else problem.name
        raise InvalidData(
            f"the model of run {run.run_id[:8]} needs the feature {gone[0]!r}, which {service!r} no longer gives, so"
            " nobody can compare. Keep it under a name of its own, or, where it is the champion, take it out of"
            f" service: mlops-lab registry archive {subject}."
        )
    how: dict[str, Any] = {"label": problem.label, "slice_by": problem.slice_by, "kind": problem.kind}
    how |= {"threshold": float(run.params.get("threshold") or 0.5), "metrics": problem.figures}
    return score(model, offline, **how).flat("offline") | score(model, served, **how).flat("served")


def _exam(run: Run, home: Path) -> pd.DataFrame:
    """The problem's own decisions, with what became of them, that a run was examined on: all of its last days."""
    problem = problem_of(home)
    if not {"split_at", "feature_service"} <= set(run.params) or "logical_date" not in run.tags:
        raise InvalidData(
            f"run {run.run_id[:8]} does not say which days it was examined on, so nobody can measure it again; figures"
            f" that were logged by hand are no evidence for {problem.name}: make the version with mlops-lab run."
        )
    first, last = parse_utc(str(run.params["split_at"])), parse_utc(run.tags["logical_date"])
    if last - first < (fewest := timedelta(days=min(7, problem.holdout_days))):
        raise InvalidData(
            f"run {run.run_id[:8]} was examined on {last - first}, and {fewest.days} days are the fewest."
        )
    return problem.labelled(first, last)


def check_figures(
    told: Mapping[str, float] | None,
    of: Run,
    rows: pd.DataFrame,
    home: Path,
    clock: Clock,
    frames: Frames,
    who: str = "",
) -> None:
    """Raise unless these are the figures that the model of this run has on these rows.

    Raises:
        InvalidData: somebody else measured them, or wrote them.
    """
    found, who = _figures(of, rows, home, clock, frames), who or f"run {of.run_id[:8]}"
    for name, said in (told or {}).items():
        value = found.get(name, math.inf)
        if not (math.isclose(said, value, rel_tol=1e-6, abs_tol=1e-9) or (math.isnan(said) and math.isnan(value))):
            raise InvalidData(
                f"{name} of {who} was handed in as {said:g}, and it is {value:g} on these rows; a gate takes what its"
                " own run has measured."
            )


@task
def gate(register: Result, evaluate: Result, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Judge the version by the policy; a refusal ends the run here, in red."""
    registry = open_registry(home, clock=clock)
    version = registry.get_model_version(register["name"], register["version"])
    champion = None
    if evaluate["champion"] is not None:
        champion = registry.get_model_version(register["name"], evaluate["champion"])
    found = get_json(open_tracker(home, clock=clock).artifacts, evaluate["measured"])
    found = {key.replace("artefact", "artifact"): value for key, value in found.items()}  # of version 0.1
    measured_of = (found.get("run_id"), found.get("artifact"), found.get("champion_artifact"))
    if measured_of != (version.run_id, version.artifact, None if champion is None else champion.artifact):
        raise InvalidData(
            f"what was measured is not of {version.name} v{version.version} against {champion or 'no champion'}; a gate"
            " takes what its own run has measured."
        )
    if evaluate["measured"] not in _MEASURED_HERE:
        if found["data"] != profile(_known(version, home, clock), logical_date).to_dict():
            raise InvalidData(f"what was seen of the data is not what {version.name} v{version.version} knew.")
        _check_measured(found["metrics"], found["champion"], version, champion, home, clock)
    measured = Measured(
        found["metrics"], found["champion"], DataProfile.from_dict(found["data"]), holdout=found["holdout"]
    )
    report = evaluate_gates(version, champion, problem_of(home).policy, measured=measured, at=logical_date)
    _MEASURED_HERE.add(report.measurement)
    registry.record_gate_report(report)
    if not report.passed:
        reasons = " ".join(result.sentence for result in report.failures)
        raise NotAllowed(f"the gate refused {version.name} v{version.version}: {reasons}")
    return {"passed": True, "rules": len(report.results)}


@task(trigger_rule="none_failed", approval=True)
def approve(
    register: Result, params: Params, clock: Clock, home: Path, decision: Mapping[str, Any] | None = None
) -> Result:
    """Wait for somebody other than the author to agree, where that is asked for."""
    registry = open_registry(home, clock=clock)
    name, version = register["name"], register["version"]
    if params["approval"] and not registry.requires_approval(name):
        registry.set_policy(name, requires_approval=True, actor=params["author"], why="asked for by the pipeline")
    if not registry.requires_approval(name):
        raise SkipTask("nobody has to agree")
    standing = registry.get_approval(name, version)
    if standing is None or standing.state in ("expired", "outdated"):
        standing = registry.request_approval(name, version, requested_by=params["author"], why="the gate passed")
    if decision is not None and standing.state == "pending":  # an engine has asked; the registry says who may answer
        answer = registry.approve if decision["approved"] else registry.reject
        standing = answer(name, version, by=decision["by"], comment=decision["comment"])
    if standing.state == "rejected":
        raise NotAllowed(f"{name} v{version} was rejected by {standing.decided_by}: {standing.comment}")
    if standing.state != "approved":
        raise NotAllowed(f"{name} v{version} waits for an approval by somebody other than its author.", waiting=True)
    return {"approved_by": standing.decided_by}


@task(trigger_rule="none_failed")
def promote(register: Result, params: Params, clock: Clock, home: Path) -> Result:
    """Take the version through Staging into Production; the former one is archived."""
    registry = open_registry(home, clock=clock)
    report = registry.get_gate_report(register["name"], register["version"])
    if report is None:
        raise NotAllowed(f"{register['name']} v{register['version']} has no gate report.")
    check_policy(report, problem_of(home), registry)
    promotion = registry.promote(report, actor=params["author"], why="the gate passed")
    return {"version": promotion.version, "archived_version": promotion.archived_version}


def check_policy(report: GateReport, problem: Problem, registry: Registry) -> None:
    """Raise unless the report judged by the problem's own policy, its figures pass it, and the champion has its own.

    Raises:
        NotAllowed: it judged by another one, without one of its rules, or otherwise than its figures say; a report of
            an earlier version of this package holds no figures, and the registry refuses it.
    """
    subject, wanted = f"{report.name} v{report.version}", problem.policy.fingerprint
    if not report.metrics:
        return
    if report.policy != wanted:
        raise NotAllowed(
            f"{subject} was judged by policy {report.policy[:19] or 'unknown'}…, and the policy of {problem.name} is"
            f" {wanted[:19]}…; evaluate again."
        )
    measured = Measured(report.metrics, None if report.champion is None else report.champion_metrics or {})
    judged = {result.rule for result in report.results}
    for rule in problem.policy.rules:
        found = rule.judge(measured)
        if rule.rule not in judged or not (found.passed or isinstance(rule, DATA_RULES)):
            raise NotAllowed(f"the report of {subject} says that {rule.rule} passed, and it did not: {found.sentence}")
    if report.measurement not in _MEASURED_HERE:
        champion = None if report.champion is None else registry.get_model_version(report.name, report.champion)
        version = registry.get_model_version(report.name, report.version)
        _check_measured(report.metrics, report.champion_metrics, version, champion, registry.home, registry.clock)
        _MEASURED_HERE.add(report.measurement)


def _check_measured(
    own: Mapping[str, float],
    theirs: Mapping[str, float] | None,
    version: ModelVersion,
    champion: ModelVersion | None,
    home: Path,
    clock: Clock,
) -> None:
    """Raise unless a version and its champion have these figures in the version's exam."""
    tracker = open_tracker(home, clock=clock)
    run = tracker.get_run(version.run_id)
    rows, frames = _exam(run, home), Frames()
    check_figures(own, run, rows, home, clock, frames, f"{version.name} v{version.version}")
    if champion is not None:
        its_run, who = tracker.get_run(champion.run_id), f"the champion {champion.name} v{champion.version}"
        check_figures(theirs, its_run, rows, home, clock, frames, who)


def _known(version: ModelVersion, home: Path, clock: Clock) -> pd.DataFrame:
    """The rows that the version's run learnt from, as the run names them."""
    tracker = open_tracker(home, clock=clock)
    run = tracker.get_run(version.run_id)
    rows = run.inputs.get("training_rows")
    if rows is None:
        raise InvalidData(f"run {run.run_id[:8]} does not name the rows that it learnt from; make the version anew.")
    return get_training_set(tracker.artifacts, {"artifact": rows}, role="known").frame


@task
def roll_out(register: Result, params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Give the new version its share of the requests, watch it, and finish or take it back."""
    from mlops_lab.models.rollout import promotion_of, rollout

    registry = open_registry(home, clock=clock)
    name, version = register["name"], register["version"]
    promotion = promotion_of(registry, name, version)
    challenger = registry.get_model_version(name, version)
    former = promotion.archived_version
    champion = registry.get_model_version(name, former) if former is not None else None
    traffic = canary_traffic(challenger, champion, days=params["watch_days"], at=logical_date, home=home, clock=clock)
    policy = canary_policy(challenger, champion, home=home, clock=clock)
    deployment = rollout(promotion, registry, traffic=traffic, policy=policy)
    return {"state": deployment.state, "weight": deployment.weight, "why": deployment.why}


def canary_traffic(
    challenger: ModelVersion,
    champion: ModelVersion | None,
    *,
    days: int,
    at: datetime,
    home: Path,
    clock: Clock,
) -> pd.DataFrame:
    """The rows that a canary is watched on, each with what both models would have answered.

    They are those of the days after `at`. Where the data ends before that, the last days before it
    are asked about again: the model has not learnt from them, but the gate has seen them.

    Returns:
        One row a decision, in the form that `rollout` takes; NaN where there is no champion.

    Raises:
        InvalidData: there are no decisions on those days.
    """
    rows = asked_rows(problem_of(home), days=days, at=at)
    return _answered(rows, challenger, champion, home, clock)


def canary_policy(
    challenger: ModelVersion, champion: ModelVersion | None, *, home: Path, clock: Clock
) -> RolloutPolicy:
    """The problem's `canary`, with what a day's answers of these two share, as the challenger's exam shows it.

    The last thirty days of the exam are asked as the canary asks. What the problem itself says of `shared` stands, and
    an exam of less than three days says nothing.
    """
    from mlops_lab.models.rollout import RolloutPolicy, shared_by_day

    policy = problem_of(home).canary
    if champion is None or policy.shared != RolloutPolicy.shared:
        return policy
    with suppress(InvalidData, UnknownName):  # a run that was logged by hand, or is gone, says no days
        exam = _exam(open_tracker(home, clock=clock).get_run(challenger.run_id), home)
        late = exam["event_timestamp"] >= exam["event_timestamp"].max() - timedelta(days=30)
        rows = exam[late].reset_index(drop=True)
        return replace(policy, shared=shared_by_day(_answered(rows, challenger, champion, home, clock)))
    return policy


def _answered(
    rows: pd.DataFrame, challenger: ModelVersion, champion: ModelVersion | None, home: Path, clock: Clock
) -> pd.DataFrame:
    """What both models say of these decisions as they are served, in the form that `rollout` takes."""
    from mlops_lab.models.training import predict

    problem = problem_of(home)
    tracker, store = open_tracker(home, clock=clock), problem_store(home, clock=clock)
    unit = unit_of(problem, rows) or 1.0

    def answers(version: ModelVersion) -> Any:
        service = str(tracker.get_run(version.run_id).params["feature_service"])
        model = tracker.artifacts.load_model(version.artifact)
        return predict(model, store.replay(rows, features=service).frame, kind=problem.kind) / unit

    truth = rows[problem.label].astype("int8" if problem.kind == "classification" else "float64")
    return (
        rows[[problem.key, "event_timestamp", "label_timestamp", problem.label]]
        .set_axis(["key", "at", "known_at", "truth"], axis=1)
        .assign(
            truth=truth if problem.kind == "classification" else truth / unit,
            challenger=answers(challenger),
            champion=answers(champion) if champion is not None else float("nan"),
        )
    )


def unit_of(problem: Problem, rows: pd.DataFrame) -> float | None:
    """What numbers are divided by before a canary's squared errors are compared; None for probabilities.

    In standard deviations of the truth one margin fits every unit, money as well as degrees.
    """
    if problem.kind == "classification":
        return None
    return float(rows[problem.label].astype("float64").std(ddof=0)) or 1.0


def asked_rows(problem: Problem, *, days: int, at: datetime) -> pd.DataFrame:
    """The decisions of the days after `at`, or of the last days before it where the data ends before that."""
    start, end = at, at + timedelta(days=days)
    if end > problem.last_decision:
        start, end = at - timedelta(days=days), at
    rows = problem.labelled(start, end + problem.patience)
    return rows[rows["event_timestamp"] < end].reset_index(drop=True)


@task(trigger_rule="all_done")
def report(register: Result | None, clock: Clock, home: Path) -> Result:
    """Write down for people what was measured and decided, also when the answer was no."""
    if register is None:
        raise SkipTask("there is no version to report on")
    tracker, registry = open_tracker(home, clock=clock), open_registry(home, clock=clock)
    version = registry.get_model_version(register["name"], register["version"])
    text = model_report(
        version,
        tracker.get_run(version.run_id),
        registry.get_gate_report(version.name, version.version),
        metric=str(problem_of(home).metric),
        noun=problem_of(home).noun,
    )
    return {"markdown": tracker.artifacts.put_bytes(text.encode())}


def model_report(
    version: ModelVersion, run: Run, report: GateReport | None, *, metric: str = "roc_auc", noun: str = "flight"
) -> str:
    """A version in Markdown: the verdict with a reason for every rule, the figures, and what it was made of.

    `metric` is the figure that slices are compared by, `noun` what one row is.
    """
    verdict = "not judged" if report is None else "passed" if report.passed else "refused"
    lines = [f"# {version.name} v{version.version}: {verdict}", ""]
    if report is not None:
        lines += ["| | rule | why |", "|---|---|---|"]
        marks = {True: "✓ pass", False: "✗ fail"}
        lines += [f"| {marks[r.passed]} | {r.rule} | {_cell(r.sentence)} |" for r in report.results]
        lines += [""]
    lines += ["| figure | offline | as served |", "|---|---|---|"]
    known = [*METRICS] if run.params.get("kind") != "regression" else [*NUMBER_METRICS]
    for name in known if metric in known else [metric, *known]:
        offline, served = (run.metrics.get(f"{kind}.{name}", float("nan")) for kind in ("offline", "served"))
        lines.append(f"| {name} | {offline:.3f} | {served:.3f} |")
    slices = sorted(name.split(".")[2] for name in run.metrics if name.startswith(f"served.{metric}."))
    lines += [
        f"| {metric} at {_cell(part)} | {run.metrics.get(f'offline.{metric}.{part}', float('nan')):.3f} "
        f"| {run.metrics[f'served.{metric}.{part}']:.3f} |"
        for part in slices
    ]
    made = {
        "features": run.params.get("feature_service"),
        "model": run.params.get("model"),
        "learnt from": f"{run.params.get('train_rows'):,} {noun}s, {run.params.get('train_from')} to "
        f"{run.params.get('train_until')}",
        "examined on": f"{run.params.get('holdout_rows'):,} {noun}s",
        "training set": run.inputs.get("training_set"),
        "run": run.run_id,
        "artifact": version.artifact,
        "code": run.tags.get("code"),
        "author": version.author,
    }
    lines += ["", "| made of | |", "|---|---|"]
    lines += [f"| {name} | {_cell(str(value))} |" for name, value in made.items()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that cannot break out of its cell, nor become markup."""
    plain = " ".join(text.split())
    for old, new in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("`", "\\`")):
        plain = plain.replace(old, new)
    return plain
