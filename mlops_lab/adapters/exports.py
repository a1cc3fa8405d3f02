"""The pipeline written for other programs; none of them is needed to write a file.

naming    which names do its tasks get in Python?       writing      how does text stay text in a Python file?
airflow   the DAG as an Airflow file                    prefect      the DAG as a Prefect flow, and its deployment
airflow_factory  Airflow's DAGs from the YAML itself
vertex    the DAG as a KFP 2 pipeline for Vertex AI     kubernetes   the model server as Kustomize files
sagemaker the pipeline as SageMaker's JSON
feast     the features as a Feast repository            tecton       and as a Tecton one
feature_rows  the rows that both of those speak of
"""

from __future__ import annotations

from mlops_lab.adapters.airflow.export import to_airflow as to_airflow
from mlops_lab.adapters.airflow.factory import airflow_dags as airflow_dags
from mlops_lab.adapters.airflow.factory import to_airflow_factory as to_airflow_factory
from mlops_lab.adapters.feast.export import to_feast_repository as to_feast_repository
from mlops_lab.adapters.feast.export import write_feature_rows as write_feature_rows
from mlops_lab.adapters.kubernetes.export import to_kubernetes as to_kubernetes
from mlops_lab.adapters.prefect.export import to_prefect as to_prefect
from mlops_lab.adapters.prefect.export import to_prefect_yaml as to_prefect_yaml
from mlops_lab.adapters.sagemaker.export import to_sagemaker as to_sagemaker
from mlops_lab.adapters.tecton.export import TECTON_UNCHECKED as TECTON_UNCHECKED
from mlops_lab.adapters.tecton.export import to_tecton_repository as to_tecton_repository
from mlops_lab.adapters.vertex.export import to_vertex as to_vertex
