"""A selection: the features asked for, their views and names, and those of them that a function computes on demand."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import DuplicateName, InvalidData, InvalidDefinition, UnknownName
from mlops_lab.base.fingerprint import fingerprint_bytes
from mlops_lab.data.features.columns import check_columns, value_column
from mlops_lab.data.features.definitions import FeatureService, FeatureView, OnDemandFeatureView

if TYPE_CHECKING:
    import pandas as pd


_REMEMBERED = 1000  # selections of one store
_WHAT = "features must be a FeatureService, its name, a FeatureView, or a list of 'view:feature'"
View = FeatureView | OnDemandFeatureView


@dataclass(frozen=True)
class Part:
    """Some features of one view, the names of their columns, and where an entity frame has the keys."""

    view: FeatureView
    features: tuple[str, ...]
    names: tuple[str, ...]
    key_columns: tuple[str, ...]

    @property
    def key_types(self) -> dict[str, str]:
        """The type of each key column of an entity frame."""
        return dict(zip(self.key_columns, self.view.key_types.values(), strict=True))


@dataclass(frozen=True)
class Computed:
    """Some features of an on demand view, the names of their columns, and those of its inputs, but for the request."""

    view: OnDemandFeatureView
    features: tuple[str, ...]
    names: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The parts asked for; `names` are all columns, in the order asked; `service` is "" for a plain list.

    The parts also have what on demand features are made of, under names that `names` does not have.
    """

    parts: tuple[Part, ...]
    names: tuple[str, ...]
    service: str
    computed: tuple[Computed, ...] = ()

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """The type of each column, in the order asked."""
        return {name: self.all_dtypes[name] for name in self.names}

    @cached_property
    def all_dtypes(self) -> dict[str, str]:
        """The type of each column that is asked for, or an input of one."""
        several: tuple[Part | Computed, ...] = (*self.parts, *self.computed)
        return {
            name: part.view.dtypes[feature]
            for part in several
            for feature, name in zip(part.features, part.names, strict=True)
        }

    @cached_property
    def key_types(self) -> dict[str, str]:
        """The key columns that an entity frame has to have, and their types."""
        return {key: kind for part in self.parts for key, kind in part.key_types.items()}

    @cached_property
    def requested(self) -> dict[str, str]:
        """The further columns that it has to have, and their types."""
        return {name: dtype for one in self.computed for name, dtype in one.view.requested.items()}

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views, in the order asked."""
        several: tuple[Part | Computed, ...] = (*self.parts, *self.computed)
        return tuple(dict.fromkeys(part.view.name for part in several))


class Selected:
    """The selections that were asked for, each worked out once until what is applied changes."""

    def __init__(self) -> None:
        self._of: object = None
        self._found: dict[tuple[object, bool], Selection] = {}
        self._changing = threading.Lock()

    def get(
        self,
        features: FeatureService | View | str | Iterable[str | View],
        known: Callable[[type[Any]], Mapping[str, Any]],
        applied: object,
        *,
        full_names: bool,
    ) -> Selection:
        """As `select`, from what `known` gives, which stays as it is while `applied` is the same object.

        Raises:
            UnknownName, InvalidDefinition: as `select`.
        """
        with self._changing:
            if applied is not self._of or len(self._found) >= _REMEMBERED:
                self._of, self._found = applied, {}
            remembered = self._found  # another thread may see newer definitions and begin anew: this is ours
        if not isinstance(features, str | FeatureService | FeatureView | OnDemandFeatureView):
            if not isinstance(features, Iterable) or isinstance(features, Mapping):
                raise InvalidDefinition(f"{_WHAT}, not {features!r:.60}.")
            features = tuple(features)
        try:
            return remembered[features, full_names]
        except (KeyError, TypeError):  # not asked before; or of things that are no names, which `select` refuses
            views = {**known(FeatureView), **known(OnDemandFeatureView)}
            found = select(features, views, known(FeatureService), full_names=full_names)
        remembered[features, full_names] = found
        return found


def select(
    features: FeatureService | View | str | Iterable[str | View],
    views: Mapping[str, View],
    services: Mapping[str, FeatureService],
    *,
    full_names: bool,
) -> Selection:
    """Find what was asked for among what was applied.

    Raises:
        UnknownName: no such service, view or feature.
        InvalidDefinition: nothing was asked for, or one column name would be given to two features.
    """
    if isinstance(features, str) and ":" not in features:
        if features not in services:
            raise UnknownName("feature service", features, services, where="this store")
        features = services[features]
    service = features.name if isinstance(features, FeatureService) else ""
    roles: dict[str, View] = {}
    asked: list[tuple[str, str]] = []
    for role, view, feature in _asked(features, views):
        if (role, feature) in asked:
            raise DuplicateName("feature", f"{role}:{feature}", where="the list asked for")
        if roles.setdefault(role, view) != view:
            raise InvalidDefinition(f"{role!r} would stand for two views; give one another name by with_name.")
        asked.append((role, feature))
    if not asked:
        raise InvalidDefinition("no features were asked for; name a service or some 'view:feature'.")
    names = [f"{role}__{one}" if full_names or role != roles[role].name else one for role, one in asked]
    for place, name in enumerate(names):
        if name in names[:place]:
            one, two = (":".join(asked[at]) for at in (names.index(name), place))
            raise InvalidDefinition(
                f"{one} and {two} would share the column {name!r}; ask with full_feature_names=True."
            )
    parts: list[Part] = []
    computed: list[Computed] = []
    for role, view in roles.items():
        chosen = [(feature, name) for (its, feature), name in zip(asked, names, strict=True) if its == role]
        those, called = tuple(one for one, _ in chosen), tuple(one for _, one in chosen)
        if isinstance(view, OnDemandFeatureView):
            inputs = _inputs(view, views)
            parts += inputs
            computed.append(Computed(view, those, called, tuple(name for part in inputs for name in part.names)))
        else:
            parts.append(Part(_applied(view, views, ()), those, called, view.key_columns))
    return _checked(Selection(tuple(parts), tuple(names), service, tuple(computed)))


def _inputs(view: OnDemandFeatureView, views: Mapping[str, View]) -> list[Part]:
    """What an on demand view is made of, under names that no column has."""
    return [
        Part(
            _applied(source, views, source.features),
            source.features,
            tuple(f"{view.name}\0{source.role}\0{name}" for name in source.features),
            source.key_columns,
        )
        for source in view.views
    ]


def _checked(selection: Selection) -> Selection:
    for part in selection.parts:
        for key, kind in part.key_types.items():
            if selection.key_types[key] != kind:
                raise InvalidDefinition(f"column {key!r} would have to be a key of type string and of type int64.")
    return selection


def _asked(features: Any, views: Mapping[str, View]) -> Iterator[tuple[str, View, str]]:
    """The role, the view as it was applied, in that role, and the name of each feature asked for."""
    several = features.features if isinstance(features, FeatureService) else features
    for one in [several] if isinstance(several, str | View) else list(several):
        if isinstance(one, FeatureView):
            view = _applied(one, views, one.features)
            shown = replace(view, alias=one.alias, join_key_map=one.join_key_map)
            yield from ((one.role, shown, name) for name in one.features)
        elif isinstance(one, OnDemandFeatureView):
            yield from ((one.name, _applied(one, views, one.features), name) for name in one.features)
        elif isinstance(one, str):
            role, _, feature = one.partition(":")
            if not feature:
                raise InvalidDefinition(f"a feature is asked for as 'view:feature', not {one!r}.")
            yield role, _applied(role, views, [feature]), feature
        else:
            raise InvalidDefinition(f"{_WHAT}.")


def _applied(asked: Any, views: Mapping[str, Any], features: Sequence[str]) -> Any:
    """The view of that name as it was applied, which has to have some features."""
    name = asked if isinstance(asked, str) else asked.name
    if name not in views:
        raise UnknownName("feature view", name, views, where="this store")
    for feature in features:
        if feature not in views[name].features:
            raise UnknownName("feature", feature, views[name].features, where=f"feature view {name!r}")
    return views[name]


_TRIED = 3  # rows of a training set that are computed again alone


def add_computed(
    selection: Selection, columns: dict[str, Any], frame: pd.DataFrame, where: str, *, tried: bool
) -> None:
    """Compute the on demand features of a selection from its other `columns`, and from what `frame` brings.

    Raises:
        InvalidData: the frame lacks a column that the request has to bring, or has one of another type.
        InvalidDefinition: the function fails, gives something else than declared, or, where that is `tried`, makes a
            row of other rows than its own.
    """
    import pandas as pd

    check_columns(frame, list(selection.requested), where)
    for one in selection.computed:
        view = one.view
        inputs = dict(zip(view.inputs, (columns[name] for name in one.inputs), strict=False))
        inputs |= {name: value_column(frame[name], dtype, where) for name, dtype in view.requested.items()}
        asked = pd.DataFrame(inputs, index=pd.RangeIndex(len(frame)))
        found = _answer(view, asked)
        for place in sorted({0, len(asked) // 2, len(asked) - 1})[:_TRIED] if tried and len(asked) > 1 else ():
            alone = _answer(view, asked.iloc[[place]].reset_index(drop=True))
            if not all(_same(alone[name][0], found[name][place]) for name in view.features):
                raise InvalidDefinition(
                    f"on demand feature view {view.name!r} computes row {place} alone otherwise than among others; a "
                    "model is served one row at a time, so its function must look at nothing but the row itself."
                )
        columns.update(zip(one.names, (found[name] for name in one.features), strict=True))


def _answer(view: OnDemandFeatureView, asked: pd.DataFrame) -> dict[str, Any]:
    import pandas as pd

    where = f"the answer of on demand feature view {view.name!r}"
    try:
        found = view.udf(asked.copy())
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise InvalidDefinition(f"on demand feature view {view.name!r} cannot compute: {told}.") from error
    if not isinstance(found, pd.DataFrame) or len(found) != len(asked):
        what = f"{len(found)} rows" if isinstance(found, pd.DataFrame) else type(found).__name__
        raise InvalidDefinition(f"{where} must be a frame of {len(asked)} rows, as it was asked, not {what}.")
    try:
        check_columns(found, view.features, where)
        return {name: value_column(found[name], dtype, where) for name, dtype in view.dtypes.items()}
    except InvalidData as error:
        raise InvalidDefinition(str(error)) from None


def _same(one: Any, two: Any) -> bool:
    import math

    import pandas as pd

    if pd.isna(one) or pd.isna(two):
        return bool(pd.isna(one) and pd.isna(two))
    # Of many rows at once the processor may round the last digit otherwise than of one.
    return math.isclose(one, two, rel_tol=1e-9) if isinstance(one, float) else bool(one == two)


def reference_to(udf: Callable[[Any], Any]) -> dict[str, str]:
    """Where another process finds a function, and the fingerprint of its code."""
    return {"function": f"{udf.__module__}:{getattr(udf, '__qualname__', '')}", "code": _code(udf)}


def _code(udf: Callable[[Any], Any]) -> str:
    try:
        return fingerprint_bytes(inspect.getsource(udf).encode())
    except (OSError, TypeError):
        return ""


def function_of(view: str, reference: Mapping[str, str]) -> Callable[[Any], Any]:
    """The function that a reference leads to, looked for when it is first called.

    It is imported by its name, as Feast would have unpickled it; and it must be the code that was applied, for a model
    learnt from that.
    """
    found: list[Callable[[Any], Any]] = []

    def compute(frame: Any) -> Any:
        if not found:
            found.append(_found(view, reference))
        return found[0](frame)

    compute.__module__, _, compute.__qualname__ = reference["function"].partition(":")
    return compute


def _found(view: str, reference: Mapping[str, str]) -> Callable[[Any], Any]:
    module, _, name = reference["function"].partition(":")
    again = f"apply on demand feature view {view!r} again in this program"
    if module == "__main__" or not name.isidentifier():
        raise InvalidDefinition(f"the function {name} is only in the program that applied it; {again}.")
    try:
        udf = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidDefinition(f"the function {name} is not here ({error}); {again}.") from None
    if not inspect.isfunction(udf) or udf.__module__ != module:
        raise InvalidDefinition(f"{module}:{name} is no function of that module; {again}.")
    if _code(udf) != reference["code"]:
        raise InvalidDefinition(f"the function {name} has changed since it was applied; train anew, or {again}.")
    return udf
