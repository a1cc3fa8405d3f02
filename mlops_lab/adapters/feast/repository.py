"""The Feast repository of a home folder, opened without Feast's command line.

`home/feast/<offline store>/` is a repository as Feast's own command line knows it: `feature_store.yaml`, the registry,
the SQLite online store and a Parquet file for the rows of each view. Beside Feast's registry lies a second one,
`repairs.db`, with the views that exist only so that Feast answers as promised: each view over the rows that had arrived
(Feast does not ask when it materialises), and over the rows as they landed (Feast has no word for it).
"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import HomeError, InvalidData, MissingExtra, MlopsLabError, UnknownName
from mlops_lab.base.storage import write_atomically
from mlops_lab.pipeline.dag.document import yaml_text

_ONE_AT_A_TIME = threading.RLock()


def import_feast() -> Any:
    """The module `feast`.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import feast
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "feast":
            raise  # Feast is there, and something that it needs is not: its own words are the better ones
        raise MissingExtra("feast") from None
    return feast


@contextlib.contextmanager
def quietly(doing: str) -> Iterator[None]:
    """Keep Feast's progress bars to itself, and let none of its errors out as a traceback of its inside.

    One thread at a time: where standard output goes is the whole process's affair, and of two that put it back in the
    wrong order the second would leave everybody silent.

    Raises:
        InvalidData: with what was being done and the first line of what Feast or the engine below it said.
    """
    with _ONE_AT_A_TIME:
        yield from _quietly(doing)


def _quietly(doing: str) -> Iterator[None]:
    level = logging.getLogger("feast").level
    logging.getLogger("feast").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    except (MlopsLabError, KeyboardInterrupt):
        raise
    except Exception as error:  # whatever an engine may raise: Feast, ibis, DuckDB, dask, Spark and SQLite have no base
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InvalidData(f"Feast could not {doing}: {said}") from error
    finally:
        logging.getLogger("feast").setLevel(level)


#: Feast's offline stores that need no server, with their settings in `feature_store.yaml`.
OFFLINE_STORES: dict[str, dict[str, Any]] = {
    "duckdb": {"type": "duckdb"},
    "dask": {"type": "dask"},
    "spark": {
        "type": "spark",
        "spark_conf": {
            "spark.master": "local[2]",
            "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.execution.arrow.pyspark.enabled": "true",
            "spark.sql.shuffle.partitions": "4",
            "spark.driver.memory": "3g",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
        },
    },
}
PROJECT = "mlops_lab"


def settings(offline: str) -> dict[str, Any]:
    """The settings of a repository as `feature_store.yaml` has them."""
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": "data/registry.db",
        "offline_store": OFFLINE_STORES[offline],
        "online_store": {"type": "sqlite", "path": "data/online.db"},
        "entity_key_serialization_version": 3,
    }


def feature_store_yaml(offline: str = "duckdb") -> str:
    """The `feature_store.yaml` of a repository; all its paths lie beside it.

    >>> print(feature_store_yaml())
    project: mlops_lab
    provider: local
    registry: data/registry.db
    offline_store:
      type: duckdb
    online_store:
      type: sqlite
      path: data/online.db
    entity_key_serialization_version: 3
    <BLANKLINE>

    Raises:
        UnknownName: no such offline store.
    """
    if offline not in OFFLINE_STORES:
        raise UnknownName("offline store", offline, OFFLINE_STORES)

    return yaml_text(settings(offline))


@dataclass(frozen=True)
class FeastRepository:
    """The folder of a Feast repository, and Feast's own stores over it."""

    folder: Path
    offline: str

    @property
    def rows(self) -> Path:
        """Where the Parquet files lie."""
        return self.folder / "data" / "rows"

    @property
    def known(self) -> Path:
        """Where the rows lie that had arrived when the views were materialised."""
        return self.folder / "data" / "known"

    @cached_property
    def store(self) -> Any:
        """Feast's `FeatureStore` with the definitions."""
        return self._open("registry.db")

    @cached_property
    def repairs(self) -> Any:
        """Feast's `FeatureStore` with the views over what had arrived, on the same online store."""
        return self._open("repairs.db")

    def _open(self, registry: str) -> Any:
        feast = import_feast()
        from feast.repo_config import RegistryConfig

        data = self.folder / "data"
        try:
            for folder in (self.rows, self.known):
                folder.mkdir(parents=True, exist_ok=True)
            yaml = self.folder / "feature_store.yaml"
            if not yaml.exists():
                yaml.write_text(feature_store_yaml(self.offline), "utf-8")
        except OSError as error:
            raise HomeError(self.folder, error.strerror or str(error)) from None
        told = settings(self.offline)
        told["registry"] = RegistryConfig(path=str(data / registry), cache_ttl_seconds=0)
        told["online_store"] = {"type": "sqlite", "path": str(data / "online.db")}
        # Else all rows of a view become Python objects at once, which took two gigabytes for the flights of a year.
        told["materialization"] = {"online_write_batch_size": 10_000}
        with quietly("open its repository"):
            return feast.FeatureStore(config=feast.RepoConfig(**told, repo_path=str(self.folder)))

    def apply(self, objects: list[Any], repairs: list[Any]) -> None:
        """Make Feast objects known to Feast."""
        with quietly("apply these definitions"):
            self.store.apply(objects)
            self.repairs.apply(repairs)

    def write(self, content: Any, path: Path) -> None:
        """Write an Arrow table as a Parquet file, or a text, whole or not at all."""
        from pyarrow import BufferOutputStream, parquet

        try:
            if not isinstance(content, str):
                kept = BufferOutputStream()
                parquet.write_table(content, kept)
                content = kept.getvalue().to_pybytes()
            write_atomically(path, content)
        except OSError as error:
            raise HomeError(self.folder, error.strerror or str(error)) from None
