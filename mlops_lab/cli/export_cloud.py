"""Which files put the pipeline and its model server onto somebody else's machines?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_lab.base.errors import InvalidData, MlopsLabError

if TYPE_CHECKING:
    from mlops_lab.pipeline.dag import DAG


@dataclass(frozen=True)
class Cloud:
    """One form for a cloud: what it is, and the function that makes its files of a DAG and an image."""

    description: str
    files: Callable[[DAG, str | None], Mapping[str, str]]


def _kubernetes(_: DAG, image: str | None) -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_kubernetes

    return to_kubernetes(image=image) if image else to_kubernetes()


def _sagemaker(dag: DAG, image: str | None) -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_sagemaker

    return {"pipeline.json": to_sagemaker(dag, image=image) if image else to_sagemaker(dag)}


def _vertex(dag: DAG, image: str | None) -> Mapping[str, str]:
    from mlops_lab.adapters.exports import to_vertex

    return {"pipeline.py": to_vertex(dag, image=image) if image else to_vertex(dag)}


#: Every cloud by its name; another one is another line here.
CLOUDS: Mapping[str, Cloud] = {
    "kubernetes": Cloud("the model server as a Kustomize base with overlays", _kubernetes),
    "sagemaker": Cloud("the pipeline as SageMaker's JSON", _sagemaker),
    "vertex": Cloud("the pipeline as a KFP 2 file for Vertex AI", _vertex),
}


def only_text(target: str, files: Mapping[str, str]) -> str:
    """The text of an export that is one file.

    Raises:
        InvalidData: it is a folder of files.
    """
    if len(files) > 1:
        raise InvalidData(f"{target} is {len(files)} files; say where they go with --to DIR.")
    return next(iter(files.values()))


def write_folder(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files below a folder, which is made where it is missing; other files there stay as they are."""
    from mlops_lab.teaching.drawing.drawing import write_file

    for name, text in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            told = getattr(error, "strerror", None) or error
            raise MlopsLabError(f"cannot make {str((folder / name).parent)!r}: {told}.") from None
        write_file(folder / name, text.encode())
