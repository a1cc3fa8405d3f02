"""The flights, and the feature store."""

from mlops_lab.data import flights as datasets

__all__ = ["datasets"]
