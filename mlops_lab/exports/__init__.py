"""A DAG written as a file for another engine; no engine is needed to write one.

naming    which names do its tasks get in Python?       writing   how does text stay text in a Python file?
airflow   the DAG as an Airflow file                    prefect   the DAG as a Prefect flow
"""

from __future__ import annotations

from mlops_lab.exports.airflow import to_airflow
from mlops_lab.exports.prefect import to_prefect

__all__ = ["to_airflow", "to_prefect"]
