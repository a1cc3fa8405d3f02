"""Over which stores do the promises hold? Those in the list; Feast's where `python start.py test-engines` runs them.

At the end the table is printed, promise by engine, as the tests have just found it.
"""

from __future__ import annotations

import os

import pytest

from mlops_lab.base.clock import FakeClock
from mlops_lab.data.features import FeatureStore

NAMED = os.environ.get("MLOPS_LAB_TEST_ENGINES", "").split(",")
STORES = ["embedded", *(["duckdb", "dask"] if "feast-mlflow" in NAMED else [])]
FOUND = pytest.StashKey()


def make_feature_store(name, home):
    """A feature store of the course's own, or of Feast's with one of its offline stores."""
    if name == "embedded":
        return FeatureStore(home, clock=FakeClock())
    from mlops_lab.adapters.feast.store import FeastStore

    return FeastStore(home, clock=FakeClock(), offline=name)


@pytest.fixture(params=STORES)
def engine(request):
    """The name of a feature store's engine."""
    return request.param


@pytest.fixture
def store(engine, tmp_path):
    """An empty feature store."""
    return make_feature_store(engine, tmp_path)


@pytest.fixture
def reopen(engine, tmp_path):
    """Opens the store again, as another process would."""
    return lambda: make_feature_store(engine, tmp_path)


@pytest.fixture
def outcome(engine, request):
    """What the adapter does about the promise of this test: "kept", "repaired", "refused" or "left"."""
    from mlops_lab.adapters.feast.differences import conformance

    promise = request.node.get_closest_marker("promise").args[0]
    return next(row[engine] for row in conformance() if row["promise"] == promise)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "promise(name): the promise that a test of the conformance suite holds stores to"
    )
    config.stash[FOUND] = {}


@pytest.hookimpl(tryfirst=True)  # before nightly tests are left out
def pytest_collection_modifyitems(items):
    """By day Feast's stores are asked one example of each kind, and dask only for what it does otherwise than DuckDB.

    An example takes them seconds. The embedded store is asked everything by day, and all of them by night. Of the
    registry's tests on MLflow, where each opens a database for half a second, one case each runs by day.
    """
    from mlops_lab.adapters.feast.differences import conformance

    told, several = {row["promise"]: row for row in conformance()}, {}
    for item in items:
        params, promise = getattr(getattr(item, "callspec", None), "params", {}), item.get_closest_marker("promise")
        if item.path.stem == "test_registry_on_mlflow":
            several.setdefault((item.originalname, "mlflow"), []).append(item)
        if params.get("engine") not in ("duckdb", "dask"):
            continue
        row = None if promise is None else told[promise.args[0]]
        if params["engine"] == "dask" and row is not None and row["dask"] == row["duckdb"]:
            item.add_marker("nightly")
        elif len(params) > 1:
            several.setdefault((item.originalname, params["engine"]), []).append(item)
    for (_, engine), found in several.items():
        kept = found[-1] if engine == "dask" else found[0]
        for item in found:
            if item is not kept:
                item.add_marker("nightly")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    marker = item.get_closest_marker("promise")
    if marker is None or not hasattr(item, "callspec") or "engine" not in item.callspec.params:
        return
    if report.when == "call" or report.outcome == "failed":
        from mlops_lab.adapters.feast.differences import conformance

        promise, engine = marker.args[0], item.callspec.params["engine"]
        told = {row["promise"]: row for row in conformance()}[promise][engine]
        found = item.config.stash[FOUND].setdefault(promise, {})
        if found.get(engine) != "BROKEN":
            found[engine] = told if report.passed else "BROKEN"


def pytest_terminal_summary(terminalreporter, config):
    found = config.stash[FOUND]
    engines = [name for name in ("embedded", "duckdb", "dask", "spark") if any(name in row for row in found.values())]
    if not engines:
        return
    terminalreporter.write_sep("-", "what each feature store does about each promise")
    width = max(len(promise) for promise in found)
    terminalreporter.write_line(f"{'':{width}}  " + "  ".join(f"{name:9}" for name in engines))
    for promise, row in found.items():
        cells = "  ".join(f"{row.get(name, 'not run'):9}" for name in engines)
        terminalreporter.write_line(f"{promise:{width}}  {cells}".rstrip())
    if engines == ["embedded"]:
        terminalreporter.write_line("Feast's stores: python start.py test-engines feast-mlflow tests/conformance")
