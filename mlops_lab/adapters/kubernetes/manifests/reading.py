"""Which objects are in YAML files, and on which line does each value stand?"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import InvalidData, MlopsLabError, UnknownName

__all__ = ["Manifest", "Step", "read_manifests"]

Step = str | int
_SUFFIXES = (".yaml", ".yml", ".json")
_TOOLS = ("Kustomization", "Component")  # read by kustomize; a cluster never sees them
_LARGEST = 8 * 1024 * 1024  # bytes of one file; a cluster takes objects of 1.5 MB


@dataclass(frozen=True, repr=False)
class Manifest:
    r"""One object of a file.

    Attributes: `path`, `kind`, `name` ("" where it has none), `body` (mappings and lists as they are written).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "pod.yaml")
    ...     _ = path.write_text("apiVersion: v1\nkind: Pod\nmetadata:\n  name: late\n")
    ...     pod = read_manifests([path])[0]
    >>> pod, pod.line("metadata", "name")
    (Pod late, 4)
    """

    path: str
    kind: str
    name: str
    body: Mapping[str, Any] = field(hash=False, compare=False)

    def __repr__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()

    def get(self, *steps: Step) -> Any:
        """The value at a place, or None where there is nothing."""
        found: Any = self.body
        for step in steps:
            if not _holds(found, step):
                return None
            found = found[step]
        return found

    def line(self, *steps: Step) -> int:
        """The line (from 1) of the value at a place, or of the nearest thing around it that is there."""
        found: Any = self.body
        line = _start(found)
        for step in steps:
            if not _holds(found, step):
                break
            line = _line_of(found, step, line)
            found = found[step]
        return line + 1


def _holds(node: Any, step: Step) -> bool:
    if isinstance(node, Mapping):
        return step in node
    return isinstance(node, list) and isinstance(step, int) and step < len(node)


def _start(node: Any) -> int:
    place = getattr(node, "lc", None)
    return int(place.line) if place is not None and place.line is not None else 0


def _line_of(node: Any, step: Step, otherwise: int) -> int:
    try:
        place: Any = getattr(node, "lc", None)
        return int(place.key(step)[0] if isinstance(node, Mapping) else place.item(step)[0])
    except (AttributeError, KeyError, TypeError, IndexError):
        return otherwise


def read_manifests(paths: Iterable[str | Path]) -> list[Manifest]:
    """Every Kubernetes object in files and folders, in order; `-` is standard input.

    Of a folder, every `.yaml`, `.yml` and `.json` below it is read, in the order of their names. Documents that are no
    objects (patches in JSON, values, Kustomize's own files) are passed over. A `List` counts as what is in it.

    Raises:
        UnknownName: there is no such file or folder.
        InvalidData: a file that is no YAML, with its line, or a folder without any.

    >>> read_manifests(["no/such/folder"])
    Traceback (most recent call last):
    mlops_lab.base.errors.UnknownName: no file or folder 'no/such/folder'; there is: none.
    """
    return [manifest for path in paths for name, text in _texts(path) for manifest in _objects(name, text)]


def _texts(path: str | Path) -> Iterator[tuple[str, str]]:
    if str(path) == "-":
        yield "<stdin>", sys.stdin.read(_LARGEST)
        return
    place = Path(path)
    if not place.exists():
        raise UnknownName("file or folder", path)
    inside = sorted(each for each in place.rglob("*") if each.suffix in _SUFFIXES) if place.is_dir() else [place]
    if not inside:
        raise InvalidData(f"there is no {', '.join(_SUFFIXES)} below {str(path)!r}.")
    for each in inside:
        if not each.is_file():
            continue
        try:
            if each.stat().st_size > _LARGEST:
                raise InvalidData(f"{str(each)!r} has more than {_LARGEST:,} bytes; no manifest is that large.")
            yield each.as_posix(), each.read_text("utf-8")
        except UnicodeDecodeError:
            raise InvalidData(f"{str(each)!r} is not a text file in UTF-8.") from None
        except OSError as error:
            raise MlopsLabError(f"cannot read {str(each)!r}: {error.strerror or error}.") from None


def _objects(path: str, text: str) -> Iterator[Manifest]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        documents = list(YAML(typ="rt").load_all(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else path
        told = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise InvalidData(f"{where}: no YAML: {told}.") from None
    except (ValueError, RecursionError) as error:  # a date that is none, a document nested without end
        raise InvalidData(f"{path}: no YAML that can be read: {type(error).__name__}.") from None
    for document in documents:
        yield from _unfolded(path, document)


def _unfolded(path: str, document: Any) -> Iterator[Manifest]:
    if not isinstance(document, Mapping) or "kind" not in document or "apiVersion" not in document:
        return
    kind, items = str(document["kind"]), document.get("items")
    if kind.endswith("List") and isinstance(items, list):
        for item in items:
            yield from _unfolded(path, item)
    elif kind not in _TOOLS:
        metadata = document.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        yield Manifest(path, kind, "" if name is None else str(name), document)
