"""How is a share of the traffic given to a challenger, and taken back, where somebody else's machines serve it?

split       what does a weight mean, and what came of it?
kubernetes  numbers of pods behind one Service, by kubectl
sagemaker   weights of an endpoint's variants, by boto3
vertex      the traffic split of an endpoint, by google-cloud-aiplatform
"""

from __future__ import annotations

from mlops_lab.adapters.kubernetes.traffic import KubernetesTarget, pods_for
from mlops_lab.adapters.sagemaker.traffic import SageMakerTarget
from mlops_lab.adapters.split import Target, TargetUnreachable, TrafficSplit, shift
from mlops_lab.adapters.vertex.traffic import VertexTarget

__all__ = [
    "KubernetesTarget",
    "SageMakerTarget",
    "Target",
    "TargetUnreachable",
    "TrafficSplit",
    "VertexTarget",
    "pods_for",
    "shift",
]
