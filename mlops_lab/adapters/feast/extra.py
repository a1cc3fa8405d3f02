"""Is Feast here, and what does it say when something goes wrong?"""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from collections.abc import Iterator
from typing import Any

from mlops_lab.base.errors import InvalidData, MissingExtra, MlopsLabError

__all__ = ["import_feast", "quietly"]

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
