"""MLOps Lab: a feature store, a registry, a gate and an executor small enough to read in an evening.

`__init__.pyi` beside this file is the public list. Each of its names is loaded when it is first asked for (PEP 562), so
`import mlops_lab` costs nothing:

>>> from mlops_lab import FeatureStore, Registry, draw_dag, run_flights, check
>>> FeatureStore.__module__.split(".")[:2]
["mlops_lab", "data"]
"""

import lazy_loader

from mlops_lab import _moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"

_moved.install()
