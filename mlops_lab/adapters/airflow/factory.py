"""How does Airflow build its DAGs from the YAML files themselves, so that a team keeps one source?"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from mlops_lab.adapters.airflow.export import to_airflow
from mlops_lab.adapters.writing import literal
from mlops_lab.base.errors import MlopsLabError
from mlops_lab.pipeline.dag import DAG, from_yaml

_FILE = '''\
"""Every DAG that lies beside this file as NAME.dag.yaml, for Airflow: one source, and no copy of it.

Written by `mlops-lab export airflow-factory`. `mlops-lab export yaml` writes such a DAG, and `mlops-lab dag check` says
what is wrong with one. Functions may come from the modules that are named here, and from nowhere else.
"""

from pathlib import Path

from mlops_lab.adapters.exports import airflow_dags

MODULES = {modules}

globals().update(airflow_dags(Path(__file__).parent, modules=MODULES))
'''


def to_airflow_factory(dag: DAG) -> str:
    """The small file for Airflow's `dags` folder that builds a DAG of every `*.dag.yaml` beside it.

    Args:
        dag: whose functions are to be found.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> print(to_airflow_factory(flights_pipeline()).splitlines()[-3])
    MODULES = ["mlops_lab.pipeline.problem.delivery", "mlops_lab.pipeline.problem.steps"]
    """
    modules = sorted({each.source.partition(":")[0] for each in dag.tasks.values()})
    return _FILE.replace("{modules}", literal(modules))


def airflow_dags(folder: str | Path, *, modules: Iterable[str]) -> dict[str, Any]:
    """Airflow's DAGs, by name, of every `*.dag.yaml` in a folder; for the file that `to_airflow_factory` writes.

    Each is the DAG that `to_airflow` would write into a file of its own: that text is made and run in memory.

    Args:
        folder: where the files lie.
        modules: names of the modules in which their functions are looked up.

    >>> airflow_dags("no_such_folder", modules=[])
    {}

    Raises:
        MlopsLabError: a file that is no DAG, or two DAGs of one name; with file and line.
    """
    allowed = [import_module(each) for each in modules]
    found: dict[str, Any] = {}
    for path in sorted(Path(folder).glob("*.dag.yaml")):
        try:
            dag = from_yaml(path.read_text("utf-8"), modules=allowed)
            text = to_airflow(dag)
        except MlopsLabError as error:
            error.args = (f"{path.name}: {error}", *error.args[1:])
            raise
        except (OSError, UnicodeDecodeError) as error:
            raise MlopsLabError(f"{path.name} cannot be read: {error}.") from None
        if dag.dag_id in found:
            raise MlopsLabError(f"{path.name}: another file here has a DAG {dag.dag_id!r} too; rename one of them.")
        names: dict[str, Any] = {"__name__": f"{__name__}.{dag.dag_id}", "__file__": str(path)}
        # Not the YAML's words: the text was made here, of values that were checked, and tests hold it to staying text.
        exec(compile(text, str(path), "exec"), names)  # noqa: S102
        found[dag.dag_id] = names["dag"]
    return found
