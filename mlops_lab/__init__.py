"""MLOps Lab: a feature store, a registry, a gate and an executor small enough to read in an evening.

`__init__.pyi` beside this file is the public list. Each of its names is loaded when it is first asked for (PEP 562), so
`import mlops_lab` costs nothing, and knows every name all the same:

>>> import mlops_lab
>>> mlops_lab.FeatureStore.__module__.split(".")[:2], "run_flights" in dir(mlops_lab)
(['mlops_lab', 'data'], True)
"""

from importlib import import_module

from mlops_lab import _moved

__version__ = "0.2.0"

with open(f"{__file__}i", encoding="utf-8") as _stub:
    _HOME = {words[-1]: words[1:4:2] for words in map(str.split, _stub) if words[:1] == ["from"]}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name in _moved.RENAMED:
        return getattr(import_module(__name__), _moved.now_called(name))
    if name not in _HOME:
        raise AttributeError(f"module 'mlops_lab' has no attribute {name!r}", name=name)
    module, there = _HOME[name]
    value = globals()[name] = getattr(import_module(module, __name__), there)
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))


_moved.install()
