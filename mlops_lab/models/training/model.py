"""The models that learn, and how a frame of features becomes their numbers."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import DuplicateName, InvalidData, UnknownName

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


#: What `build_model` can build: a fast linear model, and trees that cost a few times more.
MODELS: Sequence[str] = ("logistic", "gradient_boosting")
#: What is predicted, and the models that can be built for it: a yes or no, or a number.
KINDS: Mapping[str, Sequence[str]] = {"classification": MODELS, "regression": ("ridge", "gradient_boosting")}
_ROWS, _FEW = 1 << 15, 1 << 12  # rows that become the numbers of a model at one time, and that are put side by side


def build_model(model: Any, frame: pd.DataFrame, *, seed: int = 0, kind: str = "classification") -> Any:
    """An unfitted scikit-learn pipeline for the columns of a frame.

    Text columns are one-hot encoded for the linear model and ordinal for the trees. For the linear model numbers are
    imputed (that one was missing stays a feature) and replaced by their rank, because a delay of two hours is not
    four times a delay of thirty minutes. The trees take missing numbers as they are. Nothing here is a Python
    function of ours, so that the saved model is made of scikit-learn's own types only and can be loaded without
    trusting anybody's code.

    An estimator of one's own gets the same columns before it; a `Pipeline` of one's own is taken as it is.

    Args:
        model: one of `KINDS[kind]`, or any scikit-learn estimator, which is copied and never fitted itself.
        frame: the feature columns of the rows to learn from; names, types and their number are read.
        seed: the seed of everything random in the fit; an estimator that was given one of its own keeps it.
        kind: one of `KINDS`: what is predicted.

    Raises:
        UnknownName: no such model.
        InvalidData: there is no feature to learn from, or none has a value.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"carrier": ["UA", "AA"], "wind_speed": [3.0, 11.0]})
    >>> [name for name, _ in build_model("logistic", frame).steps]
    ['columns', 'model']
    """
    if kind not in KINDS:
        raise UnknownName("kind of problem", kind, KINDS)
    if isinstance(model, str) and model not in KINDS[kind]:
        raise UnknownName("model", model, KINDS[kind])
    if not len(frame.columns):
        raise InvalidData("there are no features to learn from; give the training set at least one.")
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    numbers = [str(c) for c in frame.columns if is_numeric_dtype(frame[c]) and not is_bool_dtype(frame[c])]
    texts = [str(c) for c in frame.columns if str(c) not in numbers]
    numbers = [name for name in numbers if frame[name].notna().any() or not len(frame)]  # nothing to learn from
    if not numbers and not texts:
        raise InvalidData(
            f"no row has a value of {', '.join(map(str, frame.columns))}; there is nothing to learn from."
        )
    ranks = max(1, min(50, len(frame)))  # no more ranks than rows
    estimator = _named(model, kind, seed) if isinstance(model, str) else _seeded(model, kind, seed)
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, Pipeline):
        return estimator
    trees = type(estimator).__name__.startswith("HistGradientBoosting")
    columns = _tree_columns(numbers, texts) if trees else _linear_columns(numbers, texts, seed, ranks)
    return Pipeline([("columns", columns), ("model", estimator)])


def _named(model: str, kind: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge

    if model == "logistic":
        return LogisticRegression(max_iter=1000)
    if model == "ridge":
        return Ridge()
    trees = HistGradientBoostingClassifier if kind == "classification" else HistGradientBoostingRegressor
    return trees(max_iter=150, learning_rate=0.1, random_state=seed)


def _seeded(model: Any, kind: str, seed: int) -> Any:
    from sklearn.base import clone, is_classifier

    if not (is_classifier(model) if kind == "classification" else is_regressor(model)):
        raise InvalidData(f"a {type(model).__name__} is no scikit-learn estimator for {kind}.")
    copy = clone(model)
    given = copy.get_params()
    unset = [name for name in given if name.rpartition("__")[2] == "random_state" and given[name] is None]
    return copy.set_params(**dict.fromkeys(unset, seed))


def is_regressor(estimator: Any) -> bool:
    """Does it predict a number? scikit-learn's own answer, for pipelines as for single estimators."""
    from sklearn.base import is_regressor as told

    try:
        return bool(told(estimator))
    except (AttributeError, TypeError):  # not scikit-learn's at all
        return False


def _linear_columns(numbers: list[str], texts: list[str], seed: int, ranks: int) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler

    number = Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("rank", QuantileTransformer(n_quantiles=ranks, subsample=20_000, random_state=seed, copy=False)),
            ("scale", StandardScaler(copy=False)),
        ]
    )
    text = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=100)
    return ColumnTransformer([("number", number, numbers), ("text", text, texts)], sparse_threshold=1.0)


@contextmanager
def lean_columns(estimator: Any) -> Iterator[None]:
    """Let the fit of our own linear columns put numbers and texts side by side in a fifth of the memory.

    scikit-learn writes down the row and the column of each number several times over on its way to a sparse matrix: of
    a year of flights that alone takes half a gigabyte. The same matrix is made here in blocks of rows. And it counts
    and looks up each text in Python; here they are whole numbers, in the order of the texts, until the fit has ended.
    Afterwards the fitted columns are again a plain `ColumnTransformer` of plain encoders.
    """
    columns = getattr(estimator, "steps", [("", None)])[0][1]
    kind = type(columns)
    if kind.__name__ != "ColumnTransformer":
        yield
        return
    from sklearn.preprocessing import OneHotEncoder

    class Lean(kind):  # type: ignore[misc, valid-type]
        def _hstack(self, parts: Sequence[Any], **how: Any) -> Any:
            if not self.sparse_output_ or not all(hasattr(part, "shape") for part in parts):
                return super()._hstack(parts, **how)
            return _side_by_side(parts)

    class Counted(OneHotEncoder):  # type: ignore[misc]
        def _check_X(self, *what: Any, **how: Any) -> Any:  # noqa: N802  scikit-learn's name
            found, *size = super()._check_X(*what, **how)
            known = self.__dict__.setdefault("_texts", {})
            return [_numbered(column, place, known) for place, column in enumerate(found)], *size

        def get_feature_names_out(self, *given: Any) -> Any:
            return _plain(copy(self)).get_feature_names_out(*given)  # asked during the fit, of a pipeline with frames

    def _plain(each: Any) -> Any:
        texts, each.__class__ = each.__dict__.pop("_texts", {}), OneHotEncoder
        if texts:
            each.categories_ = [texts.get(place, numbers) for place, numbers in enumerate(each.categories_)]
        return each

    columns.__class__ = Lean
    for _, each, _ in columns.transformers:
        if type(each) is OneHotEncoder and each.drop is None and isinstance(each.categories, str):
            each.__class__ = Counted
    try:
        yield
    finally:
        columns.__class__ = kind
        for _, each, _ in (*columns.transformers, *getattr(columns, "transformers_", ())):
            if type(each) is Counted:
                _plain(each)


def _numbered(texts: Any, place: int, known: dict[int, Any]) -> Any:
    """The texts of a column as their places among all that occur in it; what is not text stays as it is."""
    import pandas as pd

    if texts.dtype != "object" or pd.api.types.infer_dtype(texts, skipna=False) != "string":
        return texts
    if place not in known:
        places, known[place] = pd.factorize(texts, sort=True)
        return places
    return pd.Index(known[place]).get_indexer(texts)


def _side_by_side(parts: Sequence[Any]) -> Any:
    import numpy as np
    from scipy import sparse

    rows, width = parts[0].shape[0], sum(part.shape[1] for part in parts)
    some = sum(part.nnz if sparse.issparse(part) else np.count_nonzero(part) for part in parts)
    whole = np.int32 if some < 2**31 else np.int64
    values, places, ends = np.empty(some), np.empty(some, dtype=whole), np.zeros(rows + 1, dtype=whole)
    for start in range(0, rows, _FEW):
        block = sparse.hstack([sparse.csr_matrix(part[start : start + _FEW]) for part in parts], format="csr")
        first = ends[start]
        ends[start + 1 : start + _FEW + 1] = block.indptr[1:] + first
        values[first : first + block.nnz], places[first : first + block.nnz] = block.data, block.indices
    return sparse.csr_matrix((values, places, ends), shape=(rows, width))


def _tree_columns(numbers: list[str], texts: list[str]) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OrdinalEncoder

    text = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    return ColumnTransformer([("number", "passthrough", numbers), ("text", text, texts)])


def predict(estimator: Any, frame: pd.DataFrame, *, kind: str = "classification") -> np.ndarray[Any, Any]:
    """What a model says of every row, shape (rows,): the probability of yes, 0 to 1; of a regressor, the number.

    Args:
        estimator: any scikit-learn classifier that was fitted on a frame, with True and False (or 1 and 0) to predict;
            or any regressor.
        frame: the columns it was fitted on, and any others.
        kind: `classification` demands probabilities, `regression` a regressor.

    Raises:
        UnknownName: a column that the model was fitted on is missing.
        InvalidData: it gives no probabilities, its answers are not yes and no, or it cannot predict these rows.

    >>> import pandas as pd
    >>> from sklearn.dummy import DummyClassifier
    >>> rows = pd.DataFrame({"hour": [6, 7, 18, 19]})
    >>> predict(DummyClassifier().fit(rows, [0, 0, 0, 1]), rows).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    import numpy as np

    number, called = kind == "regression", type(estimator).__name__
    if number and not is_regressor(estimator):
        raise InvalidData(f"a {called} predicts no number; take a regressor.")
    if not number and not hasattr(estimator, "predict_proba"):
        raise InvalidData(f"a {called} gives no probabilities (it has no predict_proba); take a classifier that does.")
    if not hasattr(estimator, "feature_names_in_"):
        raise InvalidData(f"this {called} does not know its columns; fit it on a DataFrame first.")
    classes = list(getattr(estimator, "classes_", (False, True)))
    if not number and not set(classes) <= {0, 1}:
        shown = ", ".join(map(repr, (getattr(each, "item", lambda each=each: each)() for each in classes)))
        raise InvalidData(f"this {called} answers {shown}, not yes or no; fit it on True and False.")
    needed = [str(name) for name in estimator.feature_names_in_]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise UnknownName("feature", missing[0], frame.columns, where="the rows to predict")
    if not len(frame) or (
        1 not in classes and not number
    ):  # scikit-learn refuses no rows; one that never saw a yes never says one
        return np.zeros(len(frame))
    said = np.empty(len(frame))
    for start in range(0, len(frame), _ROWS):
        ready = prepare(frame[needed].iloc[start : start + _ROWS])
        try:
            with free_threads():
                found = estimator.predict(ready) if number else estimator.predict_proba(ready)[:, classes.index(1)]
            said[start : start + _ROWS] = np.asarray(found, dtype="float64").reshape(len(ready))
        except (TypeError, ValueError) as error:
            raise refused(error, ready, f"this {called} cannot predict these rows") from None
    return said


def predict_proba(classifier: Any, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """The probability of yes for every row, as scikit-learn's `predict_proba` gives it; see `predict`."""
    return predict(classifier, frame)


@contextmanager
def free_threads(threads: int | None = None) -> Iterator[None]:
    """Let the libraries below scikit-learn use no more threads than there are processors without work.

    OpenMP's threads wait for each other by spinning. Beside one other busy process on two processors, the trees took
    seventeen times as long with two threads as with one, and with one always the same. So one processor is always left
    to others, and more where the machine is busy; a machine of two gets one thread. `threads` overrules that.
    """
    from joblib import cpu_count  # type: ignore[import-untyped]

    if threads is None:
        processors = cpu_count()
        busy = math.ceil(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0
        threads = max(1, min(processors - 1, processors - busy))
    with _thread_pools().limit(limits=threads):
        yield


def return_memory() -> None:
    """Give memory that is free, and that the allocators of C and Arrow keep for later, back to the system."""
    import ctypes

    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        getattr(ctypes.CDLL(None), "malloc_trim", lambda _: 0)(0)  # musl has none


@lru_cache(maxsize=1)
def _thread_pools() -> Any:
    import sklearn.ensemble  # noqa: F401 - brings the libraries that the controller is to find
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def prepare(frame: pd.DataFrame) -> pd.DataFrame:
    """The same columns in the plain types that every supported pandas and scikit-learn agree on.

    Text, booleans and what may be missing among them become Python text with "" for nothing known; numbers become
    float64 with NaN.
    """
    import numpy as np
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    columns: dict[str, Any] = {}
    if not frame.columns.is_unique:
        raise DuplicateName("feature", str(frame.columns[frame.columns.duplicated()][0]), where="the rows")
    for name in frame.columns:
        column = frame[name]
        if is_numeric_dtype(column) and not is_bool_dtype(column):
            columns[str(name)] = column.to_numpy("float64", na_value=float("nan"))
        elif isinstance(column.dtype, pd.StringDtype):
            columns[str(name)] = column.fillna("").astype("str").array  # as objects, all would be converted twice
        elif is_bool_dtype(column):
            codes, values = pd.factorize(column)  # -1, the last, is what is not known
            columns[str(name)] = np.array([*map(str, values), ""], dtype="object")[codes]
        else:
            columns[str(name)] = column.astype("object").where(column.notna(), "").astype(str).to_numpy("object")
    return pd.DataFrame(columns, index=frame.index, copy=False)  # else each column would be there twice


def refused(error: Exception, frame: pd.DataFrame, what: str) -> InvalidData:
    """What scikit-learn complained about, in one line, with the columns that are infinite where some are."""
    import numpy as np

    infinite = [str(name) for name in frame.columns if frame[name].dtype.kind == "f" and np.isinf(frame[name]).any()]
    if infinite:
        return InvalidData(f"{what}: {', '.join(infinite)} is infinite in some of them.", column=infinite[0])
    return InvalidData(f"{what}: {str(error).strip().splitlines()[0].rstrip('.')}.")
