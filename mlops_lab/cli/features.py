"""Features from a terminal: what there is, what it means, what is served, and filling the online store anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from mlops_lab.base.clock import SystemClock, parse_utc
from mlops_lab.base.display import counted
from mlops_lab.base.errors import InvalidData
from mlops_lab.cli.answers import answer, columns, print_json
from mlops_lab.cli.catalogue import SETTINGS, Family
from mlops_lab.cli.options import answer_options, dag_of, moment, open_home, open_problem
from mlops_lab.data.features import FeatureService, FeatureStore
from mlops_lab.pipeline.dag import list_runs
from mlops_lab.pipeline.engines import open_feature_store
from mlops_lab.pipeline.problem import latest_mark, outcome, problem_store


@click.group("features", cls=Family, context_settings=SETTINGS)
def features() -> None:
    r"""Features: what there is, what is served, rebuild.

    \b
    Examples:
      mlops-lab features list
      mlops-lab features describe VIEW
      mlops-lab features online --features VIEW:FEATURE --key NAME=VALUE
      mlops-lab features rebuild
    """


@contextmanager
def _store(home: Path, *, rows: bool = False) -> Iterator[FeatureStore]:
    """The store of the home folder as it is, for looking; where it keeps none, or `rows` are wanted, a passing one.

    A stored view does not hold the rows that it was made of: those are the problem's.
    """
    if not rows and ((home / "features.db").exists() or (home / "feast").exists()):
        yield open_feature_store(home, clock=SystemClock())
        return
    with TemporaryDirectory(ignore_cleanup_errors=True) as nowhere:
        yield problem_store(nowhere, clock=SystemClock(), problem=open_problem(home))


@features.command("list")
@answer_options
def list_(home: Path, as_json: bool) -> None:
    """Every entity, feature view and feature service, and until when the online store knows a view."""
    with _store(home) as store:
        if as_json:
            return print_json(store.describe())
        rows = [["kind", "name", "made of", "online until", "description"]]
        rows += [["entity", e.name, ", ".join(e.join_keys or ()), "", e.description] for e in store.list_entities()]
        for view in store.list_feature_views():
            keys = ", ".join(entity.name for entity in view.entities)
            until = store.materialized_until(view.name)
            fresh = "" if until is None else f"{until:%Y-%m-%d %H:%M}"
            rows.append(
                ["view", view.name, f"{counted(len(view.schema), 'feature')} of {keys}", fresh, view.description]
            )
        for computed in store.list_on_demand_feature_views():
            made = f"{counted(len(computed.schema), 'feature')} of {', '.join(computed.inputs)}"
            rows.append(["on demand", computed.name, made, "", computed.description])
        for service in store.list_feature_services():
            rows.append(["service", service.name, counted(len(service.references), "feature"), "", service.description])
    click.echo(columns(rows))
    return None


@features.command()
@click.argument("name")
@click.option("--statistics", is_flag=True, help="Of a view: what its features are like, by number.")
@answer_options
def describe(name: str, statistics: bool, home: Path, as_json: bool) -> None:
    """One definition; of a view also its rows, and until when it is materialised."""
    with _store(home) as store:
        told = store.describe(name)
    with _store(home, rows=statistics) as store:
        if statistics:
            figures = store.statistics(name).round(3).reset_index()
            told["statistics"] = figures.astype(object).where(figures.notna(), None).to_dict("records")
        services = [each for each in store.list_feature_services() if each.name == name]
        if "ttl" in told and name in {view.name for view in store.list_feature_views()}:
            ttl = store.get_feature_view(name).ttl
            told["ttl"] = None if ttl is None else f"{ttl.total_seconds() / 3600:g} h"
    if as_json:
        return print_json({"definition": told})
    figures = told.pop("statistics", [])
    if services:
        told |= {"features": list(services[0].references)}
    click.echo(columns([[key, _words(value)] for key, value in told.items() if value not in (None, "", {}, [])]))
    if figures:
        shown = [["" if each is None else str(each) for each in one.values()] for one in figures]
        click.echo("\n" + columns([list(figures[0]), *shown], right=tuple(range(1, 8))))
    return None


def _words(value: Any) -> str:
    """A part of a definition on one line: `temp (float64)`, `airport (join_keys origin, value_type string)`."""
    if isinstance(value, dict):
        rest = [f"{key} {_words(each)}" for key, each in value.items() if key != "name" and each not in (None, "", [])]
        if "dtype" in value:
            return f"{value['name']} ({value['dtype']})"
        return f"{value['name']} ({', '.join(rest)})" if "name" in value else ", ".join(rest)
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value)
    return str(value)


@features.command()
@click.option(
    "--features", "wanted", required=True, metavar="S", help="A service, a view, or view:feature, comma between."
)
@click.option("--key", "keys", multiple=True, required=True, metavar="K=V", help="A join key of the entity; repeat it.")
@click.option("--at", metavar="MOMENT", help="The moment to ask for.  [default: until when it is materialised]")
@answer_options
def online(wanted: str, keys: tuple[str, ...], at: str | None, home: Path, as_json: bool) -> None:
    """What would a model be served for this entity? Read from the online store that the last run filled."""
    row: dict[str, Any] = {}
    for text in keys:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidData(f"{text!r} is no key; write it as name=value, for example shop=7.")
        if name.strip() in row:
            raise InvalidData(f"the key {name.strip()} is given twice.")
        row[name.strip()] = value
    open_home(home)
    with _store(home) as store:
        asked: Any = [each.strip() for each in wanted.split(",")] if ":" in wanted else wanted
        views = {view.name: view for view in store.list_feature_views()}
        if wanted in views:  # a view alone means all of its features
            asked = [f"{wanted}:{field.name}" for field in views[wanted].schema]
        response = store.get_online_features([row], features=asked, at=at)
    told = {name: values[0] for name, values in response.to_dict().items()}
    rows = [[name, "–" if value is None else str(value)] for name, value in told.items()]
    answer(as_json, {"features": told}, columns(rows))


@features.command()
@click.option("--until", metavar="MOMENT", help="As it was known then.  [default: the date of the last promoted run]")
@click.option(
    "--view", "views", multiple=True, metavar="NAME", help="Only this view; repeat it.  [default: all filled]"
)
@answer_options
def rebuild(until: str | None, views: tuple[str, ...], home: Path, as_json: bool) -> None:
    """Fill the online store anew from the sources, replacing what is there.

    Mends a store that was filled for the wrong moment. Nothing is filled past now or past the data.
    """
    open_home(home)
    clock = SystemClock()
    if until is None:
        done = [run for run in list_runs(home, dag_id=dag_of(home)) if run.state == "success"]
        promoted = [run.logical_date for run in done if outcome(run) == "promoted"]
        if not promoted:
            raise InvalidData("no run of this home was promoted; say until when: --until 2013-06-01")
        wanted = max(promoted)
    else:
        wanted = parse_utc(moment(until))
    store = open_feature_store(home, clock=clock)
    problem = open_problem(home)
    is_its = all(each.name in problem.views for each in store.list_feature_views())
    if is_its:
        store.apply([each for each in problem.definitions if not isinstance(each, FeatureService)])
    bound = latest_mark(wanted, clock=clock, problem=problem) if is_its else min(wanted, clock.now())
    filled = [view.name for view in store.list_feature_views() if store.materialized_until(view.name) is not None]
    written = store.materialize(bound, views=list(views) or filled or None)
    rows = [["view", "rows"], *([name, f"{many:,}"] for name, many in written.rows.items())]
    text = f"the online store as it was known at {bound:%Y-%m-%d %H:%M}Z\n{columns(rows, right=(1,))}"
    answer(as_json, {"until": bound, "rows": dict(written.rows)}, text)
