"""The files that put the feature definitions of a problem into another feature store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops_lab.pipeline.problem import Problem


@dataclass(frozen=True)
class Repository:
    """One feature store: what its repository is, and the function that makes its files."""

    description: str
    files: Callable[[Problem], Mapping[str, str]]


def _feast(problem: Problem) -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_feast_repository

    return to_feast_repository(list(problem.definitions))


def _tecton(problem: Problem) -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_tecton_repository

    return to_tecton_repository(list(problem.definitions))


#: Every feature store by its name; another one is another line here.
FEATURE_STORES: Mapping[str, Repository] = {
    "feast": Repository("the features as a repository for feast apply", _feast),
    "tecton": Repository("the features as a repository for Tecton's Rift", _tecton),
}


def write_rows(folder: Path, problem: Problem) -> None:
    """Write the rows of the problem's feature views below a folder, where the repositories look for them."""
    from mlops_lab.adapters.exports import write_feature_rows

    write_feature_rows(folder, list(problem.views.values()))
