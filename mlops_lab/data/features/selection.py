"""A selection: the features asked for, their views, and the names under which they come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops_lab.base.errors import DuplicateName, InvalidDefinition, UnknownName
from mlops_lab.data.features.definitions import FeatureService, FeatureView

__all__ = ["Part", "Selected", "Selection", "select"]

_REMEMBERED = 1000  # selections of one store
_WHAT = "features must be a FeatureService, its name, a FeatureView, or a list of 'view:feature'"


@dataclass(frozen=True)
class Part:
    """Some features of one view, and the names of their columns."""

    view: FeatureView
    features: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The parts asked for; `names` are all columns, in the order asked; `service` is "" for a plain list."""

    parts: tuple[Part, ...]
    names: tuple[str, ...]
    service: str

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """The type of each column, in the order asked."""
        found = {
            name: part.view.dtypes[feature]
            for part in self.parts
            for feature, name in zip(part.features, part.names, strict=True)
        }
        return {name: found[name] for name in self.names}

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views, in the order asked."""
        return tuple(part.view.name for part in self.parts)


class Selected:
    """The selections that were asked for, each worked out once until what is applied changes."""

    def __init__(self) -> None:
        self._of: object = None
        self._found: dict[tuple[object, bool], Selection] = {}
        self._changing = threading.Lock()

    def get(
        self,
        features: FeatureService | FeatureView | str | Iterable[str],
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
        if isinstance(features, FeatureView):
            features = [f"{features.name}:{name}" for name in features.features]
        if isinstance(features, FeatureService):
            asked: object = (features.name, features.references)
        elif isinstance(features, str):
            asked = features
        elif isinstance(features, Iterable) and not isinstance(features, Mapping):
            asked = features = tuple(features)
        else:
            raise InvalidDefinition(f"{_WHAT}, not {features!r:.60}.")
        try:
            return remembered[asked, full_names]
        except (KeyError, TypeError):  # not asked before; or of things that are no names, which `select` refuses
            found = select(features, known(FeatureView), known(FeatureService), full_names=full_names)
        remembered[asked, full_names] = found
        return found


def select(
    features: FeatureService | str | Iterable[str],
    views: Mapping[str, FeatureView],
    services: Mapping[str, FeatureService],
    *,
    full_names: bool,
) -> Selection:
    """Find what was asked for among what was applied.

    Raises:
        UnknownName: no such service, view or feature.
        InvalidDefinition: nothing was asked for, or one column name would be given to two features.
    """
    references, service = _references(features, services)
    pairs: list[tuple[str, str]] = []
    for reference in references:
        view_name, _, feature = reference.partition(":")
        if not feature:
            raise InvalidDefinition(f"a feature is asked for as 'view:feature', not {reference!r}.")
        if view_name not in views:
            raise UnknownName("feature view", view_name, views, where="this store")
        if feature not in views[view_name].features:
            raise UnknownName("feature", feature, views[view_name].features, where=f"feature view {view_name!r}")
        if (view_name, feature) in pairs:
            raise DuplicateName("feature", reference, where="the list asked for")
        pairs.append((view_name, feature))
    if not pairs:
        raise InvalidDefinition("no features were asked for; name a service or some 'view:feature'.")
    names = [f"{view}__{feature}" if full_names else feature for view, feature in pairs]
    for place, name in enumerate(names):
        if name in names[:place]:
            one, two = (":".join(pairs[at]) for at in (names.index(name), place))
            raise InvalidDefinition(
                f"{one} and {two} would share the column {name!r}; ask with full_feature_names=True."
            )
    parts = []
    for view_name in dict.fromkeys(view for view, _ in pairs):
        chosen = [(feature, name) for (view, feature), name in zip(pairs, names, strict=True) if view == view_name]
        parts.append(Part(views[view_name], tuple(one for one, _ in chosen), tuple(one for _, one in chosen)))
    return Selection(tuple(parts), tuple(names), service)


def _references(
    features: FeatureService | str | Iterable[str], services: Mapping[str, FeatureService]
) -> tuple[Sequence[str], str]:
    if isinstance(features, str) and ":" not in features:
        if features not in services:
            raise UnknownName("feature service", features, services, where="this store")
        features = services[features]
    if isinstance(features, FeatureService):
        return features.references, features.name
    references = [features] if isinstance(features, str) else list(features)
    if not all(isinstance(reference, str) for reference in references):
        raise InvalidDefinition(f"{_WHAT}.")
    return references, ""
