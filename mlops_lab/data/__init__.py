"""The flights, and the feature store."""

from mlops_lab.data import flights

__all__ = ["flights"]
