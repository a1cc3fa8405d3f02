"""What do MLflow and Feast look like? Pictures of their own pages, taken by `scripts/engine_pictures.py`.

Each comes with words that say the same, for whoever cannot see it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

from mlops_lab.base.errors import UnknownName

_FOLDER = Path(__file__).with_name("pictures")

#: The words beside each picture.
PICTURES: Mapping[str, str] = {
    "mlflow_model": (
        "MLflow's page of the registered model late_flights: a table with one version, its tags, whose names begin with"
        " mlops_lab, and its alias champion."
    ),
    "mlflow_version": (
        "MLflow's page of version 1 of late_flights: the alias champion, the stage, which is called deprecated, and a"
        " table of tags: the artifact's fingerprint, the author ada, the gate's verdict passed, the gate report."
    ),
    "feast_service": (
        "Feast's page of the feature service as_known: 34 features from 5 feature views, in a table with view, name and"
        " type, and beside it the entities they are joined on."
    ),
}


@dataclass(frozen=True, repr=False)
class EnginePicture:
    """A picture of an engine's own page. Attributes: `name`, `words` (what it shows), `png` (its bytes)."""

    name: str
    words: str
    png: bytes

    def __repr__(self) -> str:
        return self.words

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
        png = b64encode(self.png).decode()
        page = f'<img alt="{escape(self.words)}" src="data:image/png;base64,{png}" style="max-width:100%">'
        # JupyterLab gives an image no name, so to it the picture is part of a page; the others know `alt`.
        return {"text/plain": self.words, "text/html": page, "image/png": png}, {"image/png": {"alt": self.words}}


def engine_picture(name: str) -> EnginePicture:
    """One of `PICTURES`.

    Raises:
        UnknownName: there is no such picture.

    >>> engine_picture("mlflow_models")
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no picture 'mlflow_models'; there is: feast_service, mlflow_model,
    mlflow_version.
    Did you mean 'mlflow_model'?
    """
    if name not in PICTURES:
        raise UnknownName("picture", name, sorted(PICTURES))
    return EnginePicture(name, PICTURES[name], (_FOLDER / f"{name}.png").read_bytes())
