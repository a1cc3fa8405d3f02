"""Which files put the feature definitions of the flights into another feature store?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FEATURE_STORES", "Repository", "write_rows"]


@dataclass(frozen=True)
class Repository:
    """One feature store: what its repository is, and the function that makes its files."""

    description: str
    files: Callable[[], Mapping[str, str]]


def _feast() -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_feast_repository
    from mlops_lab.pipeline.flights import flight_objects

    return to_feast_repository(flight_objects())


def _tecton() -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_tecton_repository
    from mlops_lab.pipeline.flights import flight_objects

    return to_tecton_repository(flight_objects())


#: Every feature store by its name; another one is another line here.
FEATURE_STORES: Mapping[str, Repository] = {
    "feast": Repository("the features as a repository for feast apply", _feast),
    "tecton": Repository("the features as a repository for Tecton's Rift", _tecton),
}


def write_rows(folder: Path) -> None:
    """Write the rows of the flights' feature views below a folder, where the repositories look for them."""
    from mlops_lab.adapters.exports import write_feature_rows
    from mlops_lab.data.features import FeatureView
    from mlops_lab.pipeline.flights import flight_objects

    write_feature_rows(folder, [one for one in flight_objects() if isinstance(one, FeatureView)])
