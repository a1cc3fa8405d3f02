"""How is a share of the traffic given to a challenger, and taken back, where somebody else's machines serve it?

split       what does a weight mean, and what came of it?
kubernetes  numbers of pods behind one Service, by kubectl
sagemaker   weights of an endpoint's variants, by boto3
vertex      the traffic split of an endpoint, by google-cloud-aiplatform
"""

from __future__ import annotations

from mlops_lab.adapters.kubernetes.traffic import KubernetesTarget as KubernetesTarget
from mlops_lab.adapters.kubernetes.traffic import pods_for as pods_for
from mlops_lab.adapters.sagemaker.traffic import SageMakerTarget as SageMakerTarget
from mlops_lab.adapters.split import Target as Target
from mlops_lab.adapters.split import TargetUnreachable as TargetUnreachable
from mlops_lab.adapters.split import TrafficSplit as TrafficSplit
from mlops_lab.adapters.split import shift as shift
from mlops_lab.adapters.vertex.traffic import VertexTarget as VertexTarget
