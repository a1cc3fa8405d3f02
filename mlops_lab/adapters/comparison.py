"""How do our executor, Airflow and Prefect differ on one pipeline?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mlops_lab.base.display import html_table, shown, text_table
from mlops_lab.base.errors import MissingExtra, MlopsLabError

STORED = Path(__file__).with_name("comparison.json")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Comparison:
    """One table: what was looked at, and what it was on each engine. `versions` names the engines.

    >>> print(Comparison({"ours": "0.1.0"}, (("tasks", {"ours": "11"}),)).table())
           ours 0.1.0
    tasks  11
    """

    versions: Mapping[str, str]
    rows: tuple[tuple[str, Mapping[str, str]], ...]

    def _columns(self) -> tuple[str, ...]:
        return "", *(f"{each} {version}" for each, version in self.versions.items())

    def _lines(self) -> list[tuple[str, ...]]:
        return [(what, *(found.get(each, "") for each in self.versions)) for what, found in self.rows]

    def table(self) -> str:
        """The table as text, a line for each row."""
        return text_table(self._columns(), self._lines())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return shown(self.table(), html_table("The same DAG on each engine", self._columns(), self._lines()))

    def to_dict(self) -> dict[str, object]:
        """The comparison as JSON values."""
        return {"versions": dict(self.versions), "rows": [{"what": what, **found} for what, found in self.rows]}

    def __repr__(self) -> str:
        return f"Comparison({', '.join(self.versions)}; {len(self.rows)} rows)"


def stored_comparison() -> Comparison:
    """The comparison that comes with the course, made from real runs by `scripts/compare_engines.py`.

    >>> list(stored_comparison().versions)
    ['ours', 'airflow', 'prefect']
    """
    return _comparison(STORED.read_text("utf-8"))


def _comparison(text: str) -> Comparison:
    found = json.loads(text)
    rows = tuple((str(row["what"]), {key: row[key] for key in row if key != "what"}) for row in found["rows"])
    return Comparison(found["versions"], rows)


def compare_engines() -> tuple[Comparison, str]:
    """A comparison, and where it comes from: live in a clone where Airflow and Prefect are installed (some minutes).

    Else it is the stored one, and the sentence has the command that installs them. MLOPS_LAB_ENGINES=stored, which a
    check of the notebooks sets, asks for the stored one anyhow.

    >>> import os
    >>> os.environ["MLOPS_LAB_ENGINES"] = "stored"
    >>> print(compare_engines()[1])
    from runs that are stored with the course; for live ones: python start.py test-engines airflow prefect

    Raises:
        MlopsLabError: the runs failed; the message has their last words.
    """
    told = "from runs that are stored with the course; for live ones: python start.py test-engines airflow prefect"
    script = ROOT / "scripts" / "compare_engines.py"
    try:
        python_of("airflow"), python_of("prefect")
    except MissingExtra:
        return stored_comparison(), told
    if os.environ.get("MLOPS_LAB_ENGINES") == "stored" or not script.is_file():
        return stored_comparison(), told
    ran = subprocess.run([sys.executable, str(script), "--json"], capture_output=True, text=True)  # noqa: S603  ours
    if ran.returncode:
        raise MlopsLabError(f"the engines gave no answer: {ran.stderr[-2000:].strip()}")
    return _comparison(ran.stdout), "from live runs on this machine"


def python_of(engine: str) -> str:
    """The Python that has the engine: the one that `MLOPS_LAB_<ENGINE>_PYTHON` names, this one, or `.venv-<engine>`'s.

    >>> python_of("json") == sys.executable
    True

    Raises:
        MissingExtra: there is none.
    """
    if named := os.environ.get(f"MLOPS_LAB_{engine.upper()}_PYTHON"):
        return named
    found = find_spec(engine)
    if found is not None and found.origin is not None:  # a folder of that name, which somebody has here, has none
        return sys.executable
    own = ROOT / f".venv-{engine}" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if own.is_file():
        return str(own)
    raise MissingExtra(engine)
