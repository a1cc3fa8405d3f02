"""MLOps Lab: a feature store, a registry, a gate and an executor small enough to read in an evening."""

__version__ = "0.1.0"
