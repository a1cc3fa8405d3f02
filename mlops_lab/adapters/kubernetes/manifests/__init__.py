"""What is wrong with Kubernetes manifests that a schema lets through?

reading     objects with the file and line of each value     quantities  what do 512Mi and 80 % mean?
findings    what is a finding?                                pods        defects of one pod template
objects     defects of one object                             relations   defects between objects
check       all rules over files, folders or a stream
"""

from __future__ import annotations

from mlops_lab.adapters.kubernetes.manifests.check import RULES, check_manifests
from mlops_lab.adapters.kubernetes.manifests.findings import Finding
from mlops_lab.adapters.kubernetes.manifests.quantities import quantity
from mlops_lab.adapters.kubernetes.manifests.reading import Manifest, read_manifests

__all__ = ["RULES", "Finding", "Manifest", "check_manifests", "quantity", "read_manifests"]
