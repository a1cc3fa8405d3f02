"""What happens between the rows of a request and their predictions: one version and its online store.

No network here: a `Predictor` is handed a body and its type and gives back scores, or raises a `RequestError`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_lab.base.clock import Clock, SystemClock
from mlops_lab.base.display import counted
from mlops_lab.base.errors import (
    HomeError,
    IntegrityError,
    InvalidData,
    InvalidDefinition,
    MlopsLabError,
    NotAllowed,
    UnknownName,
)
from mlops_lab.delivery.server.bodies import (
    ABSENT,
    Columns,
    RequestError,
    Table,
    check_rows,
    columns_for,
    parse_json,
    table_of_csv,
    table_of_json,
    table_of_rows,
)
from mlops_lab.delivery.server.scorer import Scorer, compiled_scorer
from mlops_lab.models.registry import ModelVersion, Registry
from mlops_lab.models.training import is_regressor
from mlops_lab.models.training.model import free_threads
from mlops_lab.pipeline.engines import engines_of, has_registry, open_feature_store, open_registry, open_tracker

if TYPE_CHECKING:
    import numpy as np

    from mlops_lab.delivery.server.protocol import InferenceRequest

_LARGEST = sys.float_info.max

_NAMED = 20  # unknown keys that an error lists


@dataclass(frozen=True, repr=False)
class ServedModel:
    """A version in memory, ready to answer.

    Attributes: `name`, `version`, `artifact` (the fingerprint of its bytes), `service` (the feature service it learnt
    from, "" when its run does not say), `kinds` (for each feature, in order, `number` or `text`), `score` (from columns
    to predictions), `compiled` (is `score` the fast one?), `words` (the texts that it saw in training, by column),
    `is_number` (does it predict a number, and no probability?).

    >>> import numpy as np
    >>> model = ServedModel("late", 2, "sha256:0", "as_known", {"hour": "number"},
    ...                     lambda columns: np.asarray(columns["hour"]) / 24)
    >>> model, model.predict({"hour": [6.0, 18.0]})
    (ServedModel(late v2, 1 feature), [0.25, 0.75])
    """

    name: str
    version: int
    artifact: str
    service: str
    kinds: Mapping[str, str]
    score: Scorer
    compiled: bool = False
    words: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_number: bool = False

    def __repr__(self) -> str:
        return f"ServedModel({self.name} v{self.version}, {counted(len(self.kinds), 'feature')})"

    @property
    def output(self) -> str:
        """What its one output is called: `probability`, or `prediction` where it is a number."""
        return "prediction" if self.is_number else "probability"

    def predict(self, columns: Columns) -> list[float]:
        """The probability of yes for every row, between 0 and 1; of a model of numbers, the number.

        Raises:
            IntegrityError: the model gave neither, so nothing it says can be passed on.
        """
        found: np.ndarray[Any, Any] = self.score(columns)
        answer: list[float] = found.tolist()
        low, high, expected = (-_LARGEST, _LARGEST, "a number") if self.is_number else (0.0, 1.0, "0 to 1")
        if not all(low <= one <= high for one in answer):
            worst = next(one for one in answer if not low <= one <= high)
            raise IntegrityError(f"the answer of {self.name} v{self.version}", expected=expected, found=str(worst))
        return answer


def load_served_model(
    home: str | Path, name: str, *, version: int | str = "champion", archived: bool = False
) -> ServedModel:
    """Load a version from the registry of a home folder, once its bytes and its types are known to be good.

    Args:
        home: the home folder.
        name: the registered model.
        version: its number, or an alias.
        archived: may it be one that is out of Production? While a canary runs, the former version is.

    Raises:
        UnknownName: there is no such model, version or alias.
        IntegrityError: the bytes are not those that were registered, or an alias leads where no event has led it.
        NotAllowed: the file holds types that are not trusted, or the version is archived.
        InvalidData: it is neither a classifier of one yes-or-no question nor a regressor.
        HomeError: the home folder cannot be read.

    >>> import tempfile
    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> from mlops_lab.models.tracking import Tracker
    >>> estimator = DummyClassifier().fit(pd.DataFrame({"hour": [6, 7, 18, 19]}), [0, 0, 0, 1])
    >>> with tempfile.TemporaryDirectory() as home:
    ...     tracker = Tracker(home)
    ...     run = tracker.log_run("train", artifact=tracker.artifacts.save_model(estimator), author="ada")
    ...     version = Registry(home).register_model(run, "late")
    ...     load_served_model(home, "late", version=1).predict({"hour": [8.0]})
    [0.25]
    """
    clock = SystemClock()
    registry, tracker = open_registry(home, clock=clock), open_tracker(home, clock=clock)
    try:
        found = _version(registry, name, version)
        # While a canary runs the champion is out of the stage Production, and is still the one that answers.
        if found.stage == "Archived" and not archived and "champion" not in found.aliases:
            raise NotAllowed(f"{found.name} v{found.version} is archived; what was taken out of service is not served.")
        estimator = tracker.artifacts.load_model(found.artifact)
        params = tracker.get_run(found.run_id).params
    finally:
        registry.close()
        tracker.close()
    is_number = params.get("kind") == "regression" and is_regressor(estimator)
    answers = len(getattr(estimator, "classes_", ())) == 2 and hasattr(estimator, "predict_proba")
    if not (answers or is_number) or not hasattr(estimator, "feature_names_in_"):
        raise InvalidData(
            f"{found.name} v{found.version} is neither a classifier of a yes-or-no question nor a regressor that knows "
            "its columns."
        )
    slow = estimator_scorer(estimator)
    fast = compiled_scorer(estimator, slow)
    kinds, words = features_of(estimator)
    return ServedModel(
        found.name,
        found.version,
        found.artifact,
        str(params.get("feature_service", "")),
        kinds,
        fast or slow,
        compiled=fast is not None,
        words=words,
        is_number=is_number,
    )


def features_of(estimator: Any) -> tuple[dict[str, str], dict[str, frozenset[str]]]:
    """For each column the estimator was fitted on `text` or `number`; and the texts it saw, for each column of text.

    >>> import pandas as pd
    >>> from mlops_lab.models.training import build_model
    >>> frame = pd.DataFrame({"carrier": ["UA", "UA"], "wind_speed": [3.0, 11.0]})
    >>> features_of(build_model("logistic", frame).fit(frame, [0, 1]))
    ({'carrier': 'text', 'wind_speed': 'number'}, {'carrier': frozenset({'UA'})})
    """
    parts = getattr(getattr(estimator, "named_steps", {}).get("columns"), "transformers_", ())
    texts = [(step, [str(name) for name in names]) for part, step, names in parts if part == "text"]
    kinds = {str(name): "number" for name in estimator.feature_names_in_}
    kinds |= {name: "text" for _, names in texts for name in names}
    return kinds, {
        name: frozenset(map(str, found))
        for step, names in texts
        for name, found in zip(names, getattr(step, "categories_", ()), strict=False)
    }


def estimator_scorer(estimator: Any) -> Scorer:
    """The scorer that asks the estimator itself; it works for every model, and is slow.

    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> model = DummyClassifier().fit(pd.DataFrame({"hour": [6, 7, 18, 19]}), [0, 0, 0, 1])
    >>> estimator_scorer(model)({"hour": [6.0]}).tolist()
    [0.25]
    """
    names = [str(name) for name in estimator.feature_names_in_]

    def score(columns: Columns) -> np.ndarray[Any, Any]:
        import numpy as np
        import pandas as pd

        kept = {
            name: np.asarray(columns[name], dtype="object" if _is_text(columns[name]) else "float64") for name in names
        }
        frame = pd.DataFrame(kept)
        with free_threads(1):  # a request is small, and threads that wait for each other spin: 31 ms in place of 158
            if not hasattr(estimator, "predict_proba"):
                return np.asarray(estimator.predict(frame), dtype="float64")
            found: np.ndarray[Any, Any] = estimator.predict_proba(frame)[:, 1]
        return found

    return score


def _is_text(values: Sequence[Any] | np.ndarray[Any, Any]) -> bool:
    return bool(len(values)) and isinstance(values[0], str)


def has_online_store(home: str | Path) -> bool:
    """Does this home folder keep features for answering? Looking makes nothing.

    >>> has_online_store("a folder that is not there")
    False
    """
    feast = engines_of(home).features == "feast"
    return (Path(home) / "feast").is_dir() if feast else (Path(home) / "online.db").is_file()


_HOUR = timedelta(hours=1)
_LOOKED_AFTER = timedelta(minutes=1)  # how often is it looked when the store was filled


class Lookup:
    """The features of entities, read from the online store of a home folder by the keys that a client sends.

    A view without a `ttl` knows its entities for ever, so a key it does not know is a mistake: 404. A view with one
    may have nothing recent: null, as in training.

    >>> import tempfile
    >>> from datetime import timedelta
    >>> import pandas as pd
    >>> from mlops_lab.data.features import Entity, FeatureService, FeatureStore, FeatureView, Field, Source
    >>> rows = pd.DataFrame({"origin": ["EWR"], "wind": [3.5],
    ...                      "event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"])})
    >>> view = FeatureView("weather", entities=[Entity("airport", join_keys=["origin"])], ttl=timedelta(hours=3),
    ...     schema=[Field("wind", "float64")], source=Source("rows", rows))
    >>> with tempfile.TemporaryDirectory() as home:
    ...     store = FeatureStore(home)
    ...     _ = store.apply([view, FeatureService("known", [view])])
    ...     _ = store.materialize("2013-01-01T07:00Z")
    ...     lookup = Lookup(home, "known")
    ...     lookup.keys, lookup.features({"origin": ["EWR", "JFK"]})
    (('origin',), {'origin': ['EWR', 'JFK'], 'wind': [3.5, None]})
    """

    def __init__(
        self,
        home: str | Path,
        service: str,
        *,
        at: str = "materialized",
        max_age: timedelta | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Read which keys the service needs.

        Args:
            home: the home folder.
            service: the feature service that the model learnt from.
            at: the moment that a `ttl` counts from: `materialized` (up to when the store was filled), `now`, or a time.
            max_age: how long ago, by the machine's clock, the store may have been filled; None for any time. A `ttl`
                that counts from `materialized` does not see that the nightly job has stopped; this does.
            clock: what `now` is.

        Raises:
            UnknownName: there is no such service.
        """
        self._clock = SystemClock() if clock is None else clock
        self._store = open_feature_store(home, clock=self._clock)
        self._at, self._max_age = at, max_age
        self._fresh_until = datetime.min.replace(tzinfo=UTC)
        self.service = service
        asked = self._store.get_feature_service(service)
        views, self.keys = asked.views, asked.entity_columns
        self._views = [view.name for view in views]
        self._lasting = [view for view in views if view.ttl is None and view.join_keys]

    def __repr__(self) -> str:
        return f"Lookup({self.service}, keys={self.keys!r})"

    def warm_up(self) -> None:
        """Ask once for nobody, so that the first client does not wait for what Python loads on first use."""
        with suppress(RequestError):
            self.features({key: [None] for key in self.keys})

    def _check_fresh(self) -> None:
        now = self._clock.now()
        if self._max_age is None or now < self._fresh_until:
            return
        filled = [self._store.materialized_at(view) for view in self._views]
        age = now - min((each for each in filled if each is not None), default=now)
        if age > self._max_age:
            told = f"the features were last materialised {age / _HOUR:.0f} hours ago"
            bound = f"this server was told to use none that are older than {self._max_age / _HOUR:g}"
            raise RequestError(503, "FeaturesUnavailable", f"{told}, and {bound}.")
        self._fresh_until = now + min(_LOOKED_AFTER, self._max_age - age)

    def age(self) -> float | None:
        """How many seconds ago the view that was filled first was filled; None before one ever was.

        It is the time up to which the store was filled against the clock now, so a night that was missed shows.

        Raises:
            HomeError: the store cannot be read now.
        """
        untils = [self._store.materialized_until(view) for view in self._views]
        found = [until for until in untils if until is not None]
        return (self._clock.now() - min(found)).total_seconds() if found else None

    def features(self, table: Table) -> Table:
        """The keys as they came, and every feature of the service.

        Raises:
            RequestError: a key is missing, of another type or unknown; or the store cannot be read now.
        """
        rows = self._rows(table)
        at: Any = {"materialized": None}.get(self._at, self._at)
        try:
            self._check_fresh()
            if self._at == "now":  # the clock that filled the store may be a little ahead of ours
                untils = [self._store.materialized_until(view) for view in self._views]
                at = max([self._clock.now(), *(until for until in untils if until is not None)])
            found = self._store.get_online_features(rows, features=self.service, at=at).columns
        except (HomeError, IntegrityError, InvalidDefinition) as error:
            raise RequestError(
                503, "FeaturesUnavailable", f"the online store cannot be read now: {_short(error)}"
            ) from None
        except UnknownName as error:
            raise RequestError(503, "FeaturesUnavailable", str(error)) from None
        except InvalidData as error:
            if error.column is None:  # the store's state is at fault, not the request
                raise RequestError(503, "FeaturesUnavailable", str(error)) from None
            raise RequestError(422, "WrongType", str(error), rows=self._of_another_type(rows, error.column)) from None
        self._check_known(rows, found)
        return dict(found)

    def _of_another_type(self, rows: Sequence[Mapping[str, Any]], key: str) -> dict[int, str]:
        """Which rows the store refuses for the type of a key: one row of each type is tried."""
        seen: dict[type, str] = {}
        for row in rows:
            kind = type(row.get(key))
            if kind not in seen:
                seen[kind] = ""
                try:
                    self._store.get_online_features([row], features=self.service)
                except InvalidData as error:
                    seen[kind] = str(error)
                except MlopsLabError:
                    continue
        return {at: seen[type(row.get(key))] for at, row in enumerate(rows) if seen[type(row.get(key))]}

    def _rows(self, table: Table) -> Sequence[Mapping[str, Any]]:
        for key in self.keys:
            values = table.get(key)
            if values is None or ABSENT in values:
                told = f"no {key!r}; send every feature, or the keys of the entity: {', '.join(self.keys)}."
                rows = {at: told for at, one in enumerate(values or ()) if one is ABSENT}
                where = f"row {next(iter(rows))}: " if rows else ""
                raise RequestError(422, "MissingColumn", f"{where}{told}", rows=rows)
        return [
            dict(zip(self.keys, values, strict=True)) for values in zip(*(table[k] for k in self.keys), strict=True)
        ]

    def _check_known(self, rows: Sequence[Mapping[str, Any]], found: Mapping[str, list[Any]]) -> None:
        for view in self._lasting:
            prefix = f"{view.alias}__" if view.alias else ""
            columns = [found[f"{prefix}{name}"] for name in view.features if f"{prefix}{name}" in found]
            unknown = [at for at in range(len(rows)) if columns and all(column[at] is None for column in columns)]
            if unknown:
                keys = [", ".join(f"{name}={rows[at][name]!r:.60}" for name in view.key_columns) for at in unknown]
                more = "".join(f"; row {at}: {key}" for at, key in zip(unknown[1:_NAMED], keys[1:], strict=False))
                rest = f"; and {len(unknown) - _NAMED} more rows" if len(unknown) > _NAMED else ""
                told = f"the feature view {view.name} knows no {keys[0]}{more}{rest}."
                each = {
                    at: f"the feature view {view.name} knows no {key}." for at, key in zip(unknown, keys, strict=True)
                }
                raise RequestError(404, "UnknownEntity", f"row {unknown[0]}: {told}", rows=each)


@dataclass(frozen=True)
class Answer:
    """What a predictor says of some rows.

    Attributes: `scores` (what the model says of each row, None where the row could not be answered), `errors` (for
    each of those its number, the kind of error and a sentence), `unknown_words` (how many texts of a column the model
    never saw), `looked_up` (were the features read from the online store?).

    >>> Answer([0.25, None], {1: ("UnknownEntity", "nobody knows this flight.")}).errors[1][0]
    'UnknownEntity'
    """

    scores: list[float | None]
    errors: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    unknown_words: Mapping[str, int] = field(default_factory=dict)
    looked_up: bool = False


class Predictor:
    """One model and, where it has one, the online store that it reads from.

    A row that has any feature of the model is taken whole, so it must have all; a row of keys is completed from the
    online store.

    >>> import numpy as np
    >>> model = ServedModel("late", 2, "sha256:0", "", {"hour": "number"}, lambda c: np.asarray(c["hour"]) / 24)
    >>> predictor = Predictor(model)
    >>> table = predictor.table(b'{"instances": [{"hour": 6}]}', "application/json")
    >>> predictor.needs_lookup(table), predictor.scores(table)
    (False, [0.25])
    """

    def __init__(self, model: ServedModel, *, lookup: Lookup | None = None, max_rows: int = 1000) -> None:
        self.model = model
        self.lookup = lookup
        self.max_rows = max_rows
        self._features = list(model.kinds)
        self._known = {*self._features, *(lookup.keys if lookup else ())}

    def table(self, body: bytes, kind: str) -> Table:
        """The rows of a body whose media type is `kind`.

        Raises:
            RequestError: 400, 413, 415 or 422, see there.
        """
        media, _, parameters = kind.partition(";")
        media = media.strip().lower()
        if media in ("text/csv", "application/csv"):
            said = [word.strip().lower() for word in parameters.split(";")]
            header = "header=present" in said if {"header=present", "header=absent"} & set(said) else None
            return self._counted(table_of_csv(body, self._features, self._known, header=header, limit=self.max_rows))
        if media in ("application/json", ""):
            return self._counted(table_of_json(parse_json(body), self._features, self._known, limit=self.max_rows))
        if media in ("application/jsonlines", "application/x-ndjson"):
            found = ((at, line) for at, line in enumerate(body.splitlines(), 1) if line.strip())
            lines = list(islice(found, self.max_rows + 1))
            check_rows(len(lines), self.max_rows)
            rows = [_parsed_line(at, line) for at, line in lines]
            return self._counted(table_of_rows(rows, self._features, self._known, limit=self.max_rows))
        spoken = "application/json, application/jsonlines or text/csv"
        raise RequestError(415, "UnsupportedType", f"{media!r:.80} is not read here; send {spoken}.")

    def tensors(self, body: bytes, *, header: int | None = None) -> tuple[Table, InferenceRequest]:
        """The rows of a V2 request, and the request; `header` is the length of its JSON before binary tensors."""
        from mlops_lab.delivery.server.protocol import read_request, table_of_tensors

        request = read_request(body, header)
        request.check_outputs(self.model.output)
        return self._counted(table_of_tensors(request, self._features)), request

    def needs_lookup(self, table: Table) -> bool:
        """Are these keys, to be completed from the online store?

        Raises:
            RequestError: they are neither keys nor features.
        """
        if any(name in table for name in self._features):
            return False
        if self.lookup is None:
            columns_for(table, self.model.kinds)  # says what is missing
            raise RequestError(422, "MissingColumn", "this model has no features to look up; send whole rows.")
        return True

    def scores(self, table: Table, *, as_text: bool = False) -> list[float]:
        """What the model says of every row.

        Raises:
            RequestError: the rows are not what the model needs.
        """
        return self.model.predict(self._columns(table, as_text=as_text))

    def answer(self, table: Table, *, as_text: bool = False, strict: bool = False) -> Answer:
        """What the model says of every row that can be answered, and what is wrong with the others.

        Raises:
            RequestError: no row can be answered; `strict`: or any of them cannot.
        """
        errors: dict[int, tuple[str, str]] = {}
        first: RequestError | None = None
        left = list(range(len(next(iter(table.values()), []))))
        while True:
            try:
                columns = self._columns(table, as_text=as_text)
                break
            except RequestError as error:
                first = first or error
                if strict or not error.rows or len(error.rows) >= len(left):
                    raise first from None
                errors |= {left[at]: (error.kind, told) for at, told in error.rows.items()}
                kept = [at for at in range(len(left)) if at not in error.rows]
                left = [left[at] for at in kept]
                table = {name: [values[at] for at in kept] for name, values in table.items()}
        scores: list[float | None] = [None] * (len(left) + len(errors))
        for at, score in zip(left, self.model.predict(columns), strict=True):
            scores[at] = score
        return Answer(scores, dict(sorted(errors.items())), self._unknown_words(columns), self.needs_lookup(table))

    def _unknown_words(self, columns: Columns) -> dict[str, int]:
        counts = {}
        for name, words in self.model.words.items():
            if unknown := set(columns[name]) - words - {""}:
                counts[name] = sum(one in unknown for one in columns[name])
        return counts

    def _columns(self, table: Table, *, as_text: bool) -> Columns:
        if self.needs_lookup(table):
            assert self.lookup is not None  # noqa: S101  needs_lookup said so
            return columns_for(self.lookup.features(table), self.model.kinds)
        return columns_for(table, self.model.kinds, as_text=as_text, words=self.model.words)

    def _counted(self, table: Table) -> Table:
        rows = len(next(iter(table.values()), []))
        check_rows(rows, self.max_rows)
        if not rows:
            raise RequestError(422, "NoRows", "the request has no rows.")
        return table


def load_predictor(
    home: str | Path,
    name: str,
    *,
    version: int | str = "champion",
    features_at: str = "materialized",
    features_max_age: timedelta | None = None,
    archived: bool = False,
    max_rows: int = 1000,
) -> Predictor:
    """A version of a home folder's registry, with the online store where its run names a feature service.

    Raises:
        UnknownName, IntegrityError, NotAllowed, InvalidData, HomeError: as `load_served_model`.

    >>> load_predictor("nowhere", "late")
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: there is no registry in the home folder nowhere.
    """
    if not has_registry(home):
        raise InvalidData(f"there is no registry in the home folder {home}.")
    model = load_served_model(home, name, version=version, archived=archived)
    lookup = None
    if model.service and has_online_store(home):
        lookup = Lookup(home, model.service, at=features_at, max_age=features_max_age)
        lookup.warm_up()
    return Predictor(model, lookup=lookup, max_rows=max_rows)


def _version(registry: Registry, name: str, version: int | str) -> ModelVersion:
    if isinstance(version, int):
        return registry.get_model_version(name, version)
    # Where an alias leads is read from a table, and a table can be edited. What another engine shows is not read here.
    Registry.verify(registry)
    return registry.get_by_alias(name, version)


def _short(error: Exception) -> str:
    # Where the home folder lies is nobody's business on the other side of the network.
    return str(getattr(error, "why", None) or type(error).__name__)


def _parsed_line(at: int, line: bytes) -> Any:
    try:
        return parse_json(line)
    except RequestError as error:
        raise RequestError(error.status, error.kind, f"line {at}: {str(error).replace('line 1, ', '')}") from None
