"""How is a Prefect flow's deployment written as `prefect.yaml`?"""

from __future__ import annotations

from typing import Any

from mlops_lab.adapters.prefect.export import flow_name
from mlops_lab.adapters.writing import sentence
from mlops_lab.pipeline.dag import DAG, PRESETS
from mlops_lab.pipeline.dag.document import yaml_text

__all__ = ["to_prefect_yaml"]

_HEAD = """\
# The deployment of FILE, written by `mlops-lab export prefect-yaml`; it lies beside that file.
#   prefect work-pool create default --type process
#   prefect --no-prompt deploy --all
#   prefect worker start --pool default
"""


def to_prefect_yaml(dag: DAG, *, flow_file: str | None = None) -> str:
    r"""The `prefect.yaml` that `prefect deploy --all` reads: one deployment, with the schedule of the DAG.

    It takes the place of the last lines of the flow's file, which serve it without a worker. Text with two braces,
    which Prefect would take for a template, is left out.

    Args:
        dag: the DAG.
        flow_file: where the text of `to_prefect` lies, seen from this file; the DAG's name and `_flow.py` when None.

    >>> from mlops_lab.pipeline.flights import flights_pipeline
    >>> print("\n".join(to_prefect_yaml(flights_pipeline()).splitlines()[4:]))
    name: flights
    deployments:
    - name: flights
      entrypoint: flights_flow.py:flights
      description: 'Two hours before departure: will this flight arrive more than 15 minutes late?'
      tags:
      - flights
      - course
      schedules:
      - cron: 0 6 * * *
        timezone: America/New_York
        active: true
      concurrency_limit: 1
      work_pool:
        name: default

    See Also:
        https://docs.prefect.io/v3/how-to-guides/deployments/prefect-yaml
    """
    file = flow_file or f"{dag.dag_id}_flow.py"
    told = {"name": dag.dag_id, "entrypoint": f"{file}:{flow_name(dag)}"}
    deployment: dict[str, Any] = {key: value for key, value in told.items() if value}
    if dag.description and "{{" not in dag.description:
        deployment["description"] = sentence(dag.description)
    if tags := [each for each in dag.tags if "{{" not in each]:
        deployment["tags"] = tags
    if dag.schedule is not None:
        cron = PRESETS.get(dag.schedule, dag.schedule)
        deployment["schedules"] = [{"cron": cron, "timezone": dag.timezone, "active": True}]
    deployment["concurrency_limit"] = 1  # two runs at once would write into one home folder
    deployment["work_pool"] = {"name": "default"}
    return _HEAD.replace("FILE", file) + yaml_text({"name": dag.dag_id, "deployments": [deployment]})
