"""How nbval runs these notebooks: in the surroundings they were built in, each with a home of its own."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from notebook_kernel import CHECK_ZONE, drop_live_forms, left_behind, surroundings, warm_caches

collect_ignore = ["src", "teacher/src"]  # sources of notebooks, not modules: collecting their doctests would run them

_seconds: dict[str, float] = defaultdict(float)
_first: dict[str, float] = {}


def _is_notebook(node: pytest.Collector | pytest.Item | None) -> bool:
    return getattr(node, "path", Path()).suffix == ".ipynb"


def pytest_collectstart(collector: pytest.Collector) -> None:
    """An SVG's bytes depend on what drew it (Graphviz or its pure Python stand-in); its text outline is compared."""
    if _is_notebook(collector) and hasattr(collector, "skip_compare"):
        collector.skip_compare += ("image/svg+xml",)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Outputs are compared in the forms that are stored."""
    if _is_notebook(item.parent) and hasattr(item, "compare_outputs"):
        compare = item.compare_outputs

        def compare_stored(test: list[Any], ref: list[Any], **options: Any) -> Any:
            for output in [*test, *ref]:
                drop_live_forms(output.get("data", {}))
            return compare(test, ref, **options)

        item.compare_outputs = compare_stored


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item):
    """The first cell of a notebook starts its kernel: give that kernel its surroundings, and take them back after."""
    notebook = item.parent
    if not _is_notebook(notebook) or getattr(notebook, "kernel", None) is not None:
        return (yield)
    warm_caches()
    folder = notebook.path.parent
    before = set(os.listdir(folder))
    stack = ExitStack()
    variables = stack.enter_context(surroundings(CHECK_ZONE))
    kept = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return (yield)
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)

        def finish() -> None:
            if notebook.kernel is not None and notebook.kernel.is_alive():
                notebook.kernel.stop()  # it holds files of the home that is about to go
            stack.close()
            rest = left_behind(folder, before)
            assert not rest, f"{notebook.path.name} left behind in its folder: {', '.join(rest)}"

        notebook.addfinalizer(finish)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    name, _, cell = report.nodeid.partition("::")
    if name.endswith(".ipynb"):
        _seconds[name] += report.duration
        if cell == "Cell 0" and report.when == "call":
            _first[name] = report.duration


def pytest_terminal_summary(terminalreporter) -> None:
    if _seconds:
        terminalreporter.section("seconds of each notebook, and of its first cell")
        for name, seconds in sorted(_seconds.items()):
            terminalreporter.write_line(f"{seconds:6.1f} s {_first.get(name, 0):6.1f} s  {name}")
        terminalreporter.write_line(f"{sum(_seconds.values()):6.1f} s           all, one after the other")
