"""A DAG written as a file for another engine; no engine is needed to write one.

naming    which names do its tasks get in Python?       writing   how does text stay text in a Python file?
airflow   the DAG as an Airflow file                    prefect   the DAG as a Prefect flow
airflow_factory  Airflow's DAGs from the YAML itself    prefect_yaml  the flow's deployment
"""

from __future__ import annotations

from mlops_lab.exports.airflow import to_airflow
from mlops_lab.exports.airflow_factory import airflow_dags, to_airflow_factory
from mlops_lab.exports.prefect import to_prefect
from mlops_lab.exports.prefect_yaml import to_prefect_yaml

__all__ = ["airflow_dags", "to_airflow", "to_airflow_factory", "to_prefect", "to_prefect_yaml"]
