"""Do the notebooks' own cells run on Feast and MLflow, without a changed line, and show the same?

The code cells of a notebook's source are executed twice in this process: as they are, and with `FeatureStore`,
`Tracker` and `Registry` replaced from outside. What each cell prints and ends in is compared. Cells that differ are
named, with the reason.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[2] / "notebooks" / "src"
#: For each notebook, words of the cells whose output differs, and why.
DIFFERENCES = {
    "01_feature_views": {},
    "04_model_registry": {
        "sqlite3": "the cell changes the embedded registry's own file, which MLflow does not have",
        "verify": "and so there is nothing for verify to find in MLflow's",
    },
}


def cells(name):
    """The code cells of a source in percent format, in order."""
    parts = re.split(r"(?m)^# %%(.*)\n", (SOURCES / f"{name}.py").read_text("utf-8"))
    return [text for kind, text in zip(parts[1::2], parts[2::2], strict=True) if "[markdown]" not in kind]


def shown(source, names):
    """What a cell prints, and the value of its last line; an error is shown as its class."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    said = io.StringIO()
    value = None
    with contextlib.redirect_stdout(said):
        try:
            exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102  the course's own sources
            if last is not None:
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # noqa: S307
        except Exception as error:
            value = f"{type(error).__name__}"
    return said.getvalue() + ("" if value is None else plain(value))


def plain(value):
    """The value as text that does not name the engine."""
    text = value.to_string() if hasattr(value, "to_string") else repr(value)
    return re.sub(r"Feast(Store)\(|Mlflow(Registry|Tracker)\(|(FeatureStore)\(", "(", text)


def outputs(name):
    """What each cell shows, and the kinds of all that the cells have named."""
    names = {"__name__": "cells"}
    found = [(source, shown(source, names)) for source in cells(name)]
    return found, {type(value).__name__ for value in names.values()}


@pytest.fixture
def on_engines(monkeypatch):
    """From here on, whoever imports the stores gets Feast's and MLflow's."""

    def replace(*, features, registry):
        import mlops_lab
        from mlops_lab.adapters.feast.store import FeastStore
        from mlops_lab.adapters.mlflow.registry import MlflowRegistry
        from mlops_lab.adapters.mlflow.tracker import MlflowTracker
        from mlops_lab.adapters.promises import prepare_home
        from mlops_lab.pipeline import engines as choice

        def on_new_database(kind):
            def make(home, *, clock=None, uri=None):
                if not (Path(home) / "mlflow.db").exists():
                    Path(home).mkdir(parents=True, exist_ok=True)
                    prepare_home(Path(home))
                return kind(home, clock=clock, uri=uri)

            return make

        chosen = choice.Engines("feast" if features else "embedded", "mlflow" if registry else "embedded")
        monkeypatch.setattr(choice, "engines_of", lambda home: chosen)
        if features:
            monkeypatch.setattr(mlops_lab, "FeatureStore", FeastStore)
        if registry:
            monkeypatch.setattr(mlops_lab, "Registry", on_new_database(MlflowRegistry))
            monkeypatch.setattr(mlops_lab, "Tracker", on_new_database(MlflowTracker))

    return replace


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("name", "features", "registry"),
    [("01_feature_views", True, False), ("04_model_registry", False, True)],  # on Feast too 04 would take ten minutes
)
def test_a_notebook_s_cells_show_the_same_on_other_engines(name, features, registry, on_engines):
    here, _ = outputs(name)
    on_engines(features=features, registry=registry)

    there, kinds = outputs(name)

    assert ("FeastStore" if features else "MlflowRegistry") in kinds
    excused = DIFFERENCES[name]
    different = [
        f"{source.strip().splitlines()[-1]}\n  here: {ours}\n  there: {theirs}"
        for (source, ours), (_, theirs) in zip(here, there, strict=True)
        if ours != theirs and not any(word in source for word in excused)
    ]
    assert not different, "\n".join(different)
