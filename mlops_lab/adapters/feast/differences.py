"""Where Feast by itself does something else than the course promises, and what the adapter does about it.

Every line is shown by a test of `tests/conformance` that asks Feast directly; when Feast changes, that test says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: What a feature store of the course promises; each has a test that runs over every store.
PROMISES = (
    "visible from its event time until it is as old as ttl, both included",
    "no ttl means for ever",
    "ttl of zero means that very moment",
    "not visible before created_timestamp",
    "the newest row counts, also where its value is null",
    "ties: newest created, then last written",
    "ties: a correction known later",
    "every entity row comes back",
    "duplicates come back",
    "in the order given",
    "the caller's frame is never changed",
    "a null key matches nothing",
    "composite keys",
    "composite keys are kept apart",
    "a view without a key",
    "time zones become UTC",
    "naive times are an error",
    "times in nanoseconds",
    "whole numbers stay whole",
    "types are as declared",
    "errors name what was meant",
    "services, projections, full names",
    "a table larger than memory allows",
    "replay as rows landed",
    "online equals offline",
    "materialize: what had arrived",
    "materialize replaces",
    "materialize is all or nothing",
    "materialize_incremental: late rows",
    "online: never an older row",
    "online: nothing older than ttl",
    "online: never materialised is an error",
    "online: times as they are",
    "definitions are kept for the next process",
    "a pushed row is served, and never before its time",
    "a deleted view is gone with its online rows",
)
FILE = ("dask",)
ALL = ("duckdb", "dask", "spark")


@dataclass(frozen=True)
class Difference:
    """One promise, what Feast does instead, and whether `FeastStore` has repaired it, refuses it, or leaves it.

    >>> print(differences_of("duckdb")[0])
    composite keys: an entity has one join key (repaired: one Feast entity for each column of the key)
    """

    promise: str
    feast: str
    outcome: str
    how: str
    stores: tuple[str, ...] = ALL

    def __str__(self) -> str:
        return f"{self.promise}: {self.feast} ({self.outcome}: {self.how})"


DIFFERENCES = (
    Difference(
        "composite keys",
        "an entity has one join key",
        "repaired",
        "one Feast entity for each column of the key",
    ),
    Difference(
        "a view without a key",
        "it cannot be materialised, or not be read",
        "repaired",
        "it is served under one constant key",
        ("duckdb", "dask"),
    ),
    Difference(
        "composite keys are kept apart",
        "the Spark store joins on the key's columns written one after the other, so that ('a', 'bc') is ('ab', 'c')",
        "repaired",
        "keys that are written alike are asked for one after the other",
        ("spark",),
    ),
    Difference(
        "every entity row comes back",
        "a row is dropped when all its feature rows are older than the ttl",
        "repaired",
        "answers are put beside the caller's rows",
        FILE,
    ),
    Difference(
        "duplicates come back",
        "rows of one key and time become one, whatever their other columns say",
        "repaired",
        "answers are put beside the caller's rows",
        FILE,
    ),
    Difference(
        "in the order given",
        "rows come back in another order, without the caller's index",
        "repaired",
        "answers are put beside the caller's rows",
    ),
    Difference(
        "a null key matches nothing",
        "an entity row without a key gets the features of source rows without one",
        "repaired",
        "neither is shown to Feast",
        FILE,
    ),
    Difference(
        "not visible before created_timestamp",
        "created timestamps are looked at to break ties only",
        "repaired",
        "asked with filter_by_created_timestamp=True",
    ),
    Difference(
        "ties: newest created, then last written",
        "of rows with equal times any may be taken",
        "repaired",
        "rows that cannot count are left out of the file that Feast reads",
    ),
    Difference(
        "ties: a correction known later",
        "of several rows of one event time any may be taken, whatever their created timestamps",
        "refused",
        "such a source ends in an error that names the store which can do it",
        FILE,
    ),
    Difference(
        "ttl of zero means that very moment",
        "a ttl of zero means for ever",
        "refused",
        "apply ends in an error",
    ),
    Difference(
        "times in nanoseconds",
        "the DuckDB store cannot materialise a file that has them, Spark and the online store drop them",
        "refused",
        "finer times end in an error",
    ),
    Difference(
        "whole numbers stay whole",
        "a whole number becomes a float where another is unknown, and beyond 2**53 another number",
        "refused",
        "such numbers end in an error; smaller ones are whole again",
        FILE,
    ),
    Difference(
        "naive times are an error",
        "naive times are taken for UTC",
        "repaired",
        "refused before Feast is asked",
    ),
    Difference(
        "a table larger than memory allows",
        "a row is made for each pair of entity row and feature row of one key: the flights of a year do not fit",
        "left",
        "for small tables only; use duckdb or spark",
        FILE,
    ),
    Difference(
        "replay as rows landed",
        "there is no word for the landing",
        "repaired",
        "a second view has the landing as its created timestamp",
    ),
    Difference(
        "materialize: what had arrived",
        "rows are chosen by event time, created or not",
        "repaired",
        "Feast is given a file of the newest rows that had arrived",
    ),
    Difference(
        "materialize replaces",
        "entities that are gone, or not known yet, keep their rows",
        "repaired",
        "the view's online table is dropped and made again",
    ),
    Difference(
        "materialize_incremental: late rows",
        "a row that arrives after its time was materialised is missed",
        "repaired",
        "Feast is given a file of the newest rows that had arrived",
    ),
    Difference(
        "online: never an older row",
        "what is written last is served, however old it is",
        "repaired",
        "an entity's row stays in that file until there is a newer one",
    ),
    Difference(
        "online: nothing older than ttl",
        "rows are served however old they are",
        "repaired",
        "the event time is served as one more feature, and judged",
    ),
    Difference(
        "online: never materialised is an error",
        "nulls",
        "repaired",
        "the moment of each materialisation is kept and asked for",
    ),
    Difference(
        "online: times as they are",
        "the fraction of a second is dropped",
        "refused",
        "such features end in an error when they are materialised",
    ),
    Difference(
        "materialize is all or nothing",
        "rows are written one by one",
        "repaired",
        "while it is written a view counts as not materialised",
    ),
)


def differences_of(offline: str) -> tuple[Difference, ...]:
    """The differences that concern one of Feast's offline stores.

    >>> len(differences_of("duckdb")) < len(differences_of("dask"))
    True
    """
    return tuple(one for one in DIFFERENCES if offline in one.stores)


def conformance(engines: Iterable[str] = ("embedded", *ALL)) -> list[dict[str, str]]:
    """Promise by engine: "kept", "repaired" or "refused" by the adapter, or "left".

    >>> conformance(["embedded", "duckdb", "dask"])[7]
    {'promise': 'every entity row comes back', 'embedded': 'kept', 'duckdb': 'kept', 'dask': 'repaired'}
    """
    told = {(one.promise, store): one.outcome for one in DIFFERENCES for store in one.stores}
    return [
        {"promise": promise, **{engine: told.get((promise, engine), "kept") for engine in engines}}
        for promise in PROMISES
    ]
