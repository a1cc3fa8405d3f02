"""The tasks that make features, a model and a version of a problem.

Tasks take and return references (fingerprints, run ids, version numbers), never frames: each could run on another
machine that shares the home folder. Which problem it is, the home folder knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlops_lab
from mlops_lab.base.clock import Clock, parse_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData
from mlops_lab.base.fingerprint import fingerprint_bytes, fingerprint_frame
from mlops_lab.data.features import FeatureStore
from mlops_lab.models.gates import profile
from mlops_lab.pipeline.dag import task
from mlops_lab.pipeline.engines import open_feature_store, open_registry, open_tracker
from mlops_lab.pipeline.problem.frames import get_training_set, put_json, put_training_set, rows_of
from mlops_lab.pipeline.problem.home import problem_of
from mlops_lab.pipeline.problem.problem import Problem


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version of the package and, where it lies in a git clone, the commit; else a fingerprint of its source.

    The clone's own files are read, so that neither the git program nor its rules about owners are needed.
    """
    package = Path(mlops_lab.__file__).parent
    commit = _commit(package.parent / ".git")
    if commit is None:
        files = sorted(path for path in package.rglob("*.py"))
        found = fingerprint_bytes(b"".join(path.read_bytes() for path in files))
        commit = found.removeprefix("sha256:")[:12] + " (source)"
    return f"mlops-lab {mlops_lab.__version__} {commit}"


def _commit(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            reference = head.removeprefix("ref: ")
            loose = git / reference
            if loose.is_file():
                head = loose.read_text().strip()
            else:  # git packs references away from time to time
                lines = (git / "packed-refs").read_text().splitlines()
                head = next((line.split()[0] for line in lines if line.endswith(f" {reference}")), "")
    except OSError:
        return None
    return head if re.fullmatch(r"[0-9a-f]{40,64}", head) else None


Result = dict[str, Any]
Params = Mapping[str, Any]


def problem_store(home: str | Path, *, clock: Clock, problem: Problem | None = None) -> FeatureStore:
    """The feature store of a home folder with everything about its problem applied."""
    found = problem if problem is not None else problem_of(home)
    store = open_feature_store(home, clock=clock)
    store.apply(list(found.definitions))
    return store


def latest_mark(wanted: datetime, *, clock: Clock, problem: Problem) -> datetime:
    """Until when the online store may be brought: the moment wanted, but not past now, nor past the last decision.

    A mark beyond the data makes every row there is older than its `ttl`: all of them would be served as missing.
    """
    return min(wanted, clock.now(), problem.last_decision)


def _split_at(params: Params, logical_date: datetime) -> datetime:
    return logical_date - timedelta(days=params["holdout_days"])


@task
def check_data(home: Path) -> Result:
    """Are the tables the ones that were meant? Their fingerprints, by table."""
    problem = problem_of(home)
    if problem.verify is not None:
        return dict(problem.verify())
    sources = {view.source.name: view.source for view in problem.views.values()}
    return {name: fingerprint_frame(source.read()) for name, source in sources.items()}


@task
def build_training_set(check_data: Result, params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Join the features to every decision whose outcome is known, and replay what serving would have seen."""
    problem = problem_of(home)
    rows = problem.labelled(parse_utc(params["train_from"]), logical_date)
    store, artifacts = problem_store(home, clock=clock), open_tracker(home, clock=clock).artifacts
    known = store.get_historical_features(rows, features=params["features"])
    holdout = rows[rows["event_timestamp"] >= _split_at(params, logical_date)]
    if holdout.empty:
        days = counted(params["holdout_days"], "day").removeprefix("1 ")
        raise InvalidData(f"no {problem.noun} was decided and over in the last {days}.")
    served = store.replay(holdout, features=params["features"])
    views = {name: store.get_feature_view(name) for name in known.views}
    tables = {name: str((view.tags or {}).get("table", view.source.name)) for name, view in views.items()}
    looked = profile(known.frame, logical_date).to_dict()
    kept = {"known": put_training_set(artifacts, known), "served": put_training_set(artifacts, served, role="served")}
    MADE_HERE.update(map(rows_of, kept.values()))
    return {
        **kept,
        "profile": put_json(artifacts, looked),
        "sources": {f"source.{table}": check_data[table] for table in sorted(set(tables.values()))},
        "views": [f"{view}={table}" for view, table in tables.items()],
    }


@task
def train(build_training_set: Result, params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Fit the model on what was over before the holdout, and keep the run."""
    from mlops_lab.models.training import return_memory, train

    return_memory()
    tracker, problem = open_tracker(home, clock=clock), problem_of(home)
    run = train(
        get_training_set(tracker.artifacts, build_training_set["known"], role="known"),
        tracker,
        label=problem.label,
        split_at=_split_at(params, logical_date),
        name=problem.name,
        model=problem.models[params["model"]],
        model_name=params["model"],
        kind=problem.kind,
        metrics=problem.figures,
        served=lambda: get_training_set(tracker.artifacts, build_training_set["served"], role="served"),
        slice_by=problem.slice_by,
        seed=params["seed"],
        author=params["author"],
        inputs={
            "training_rows": rows_of(build_training_set["known"]),
            **build_training_set["sources"],
        },
        tags={
            "code": code_version(),
            "logical_date": logical_date.isoformat(),
            "sources": ",".join(build_training_set["views"]),
        },
    )
    if {rows_of(build_training_set[role]) for role in ("known", "served")} <= MADE_HERE:
        MADE_HERE.add(run.run_id)
    return {"run_id": run.run_id, "artifact": run.artifact}


MADE_HERE: set[str] = set()  # rows and runs of tasks of this process: what others hand over is measured again


@task
def register(train: Result, clock: Clock, home: Path) -> Result:
    """Give the run's model a version number."""
    run = open_tracker(home, clock=clock).get_run(train["run_id"])
    version = open_registry(home, clock=clock).register_model(run, problem_of(home).name)
    return {"name": version.name, "version": version.version}


@task(retries=2, retry_delay=timedelta(seconds=5), retry_exponential_backoff=True)
def materialize(params: Params, logical_date: datetime, clock: Clock, home: Path) -> Result:
    """Bring the online store up to the logical date, for whoever asks the model next; never past now or the data."""
    store = problem_store(home, clock=clock)
    views = [view.name for view in store.get_feature_service(params["features"]).features]
    marks = {view: store.describe(view)["materialised_until"] for view in views}
    problem = problem_of(home)
    until = latest_mark(logical_date, clock=clock, problem=problem)
    behind = [view for view, mark in marks.items() if mark is None or mark <= until]
    if behind:  # a run for a day in the past must not turn back what is served today
        store.materialize_incremental(until, views=behind)
    beyond = [view for view, mark in marks.items() if mark is not None and mark > max(until, problem.last_decision)]
    if beyond:  # an earlier version of this package could leave a mark that no data reaches: begin anew
        store.materialize(until, views=beyond)
    return {"views": behind + beyond, "until": until.isoformat()}
