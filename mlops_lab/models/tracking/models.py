"""How does an estimator become bytes that are always the same, and an object again without running strange code?

skops writes a zip file whose times and object numbers differ from run to run; here they are replaced by the
content's own order and hashes, so that the same model has the same fingerprint.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from typing import Any

from mlops_lab.base.errors import InvalidData, NotAllowed

__all__ = ["TRUSTED_TYPES", "dump_model", "restore_model"]

TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    # skops warns of the two kinds of tree: a crafted one can crash the process. Ours come from our own training, and
    # their bytes are verified first; pass trusted=() to refuse trees.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What our own pipelines need beyond the types that skops trusts by itself."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip file can name


def dump_model(estimator: Any) -> bytes:
    """The bytes of a skops file, the same for the same fitted estimator.

    >>> from sklearn.dummy import DummyClassifier
    >>> model = DummyClassifier().fit([[0], [1]], [0, 1])
    >>> dump_model(model) == dump_model(model)
    True

    Raises:
        InvalidData: skops cannot write this object.
    """
    import skops.io

    try:
        data = skops.io.dumps(estimator)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidData(f"a {type(estimator).__name__} cannot be stored as a model: {error}.") from None
    return _normal(data)


def restore_model(data: bytes, *, trusted: Iterable[str] = TRUSTED_TYPES, what: str = "the file") -> Any:
    """The estimator of a skops file, once every type in it is known.

    >>> from sklearn.dummy import DummyClassifier
    >>> restore_model(dump_model(DummyClassifier(strategy="prior")))
    DummyClassifier()

    Raises:
        NotAllowed: the file holds types that are not trusted; the message names them.
        InvalidData: this is no skops file.
    """
    import skops.io

    if not isinstance(trusted, Iterable):
        raise InvalidData(f"trusted is {trusted!r}; name the types that may be loaded: trusted=['mine.Scaler'].")
    allowed = {trusted} if isinstance(trusted, str) else set(trusted)
    try:
        found = set(skops.io.get_untrusted_types(data=data))
    except Exception as error:  # hostile bytes can make the reader raise anything; nothing has been constructed yet
        raise InvalidData(f"{what} is not a model that skops can read: {type(error).__name__}: {error}.") from None
    strange = sorted(found - allowed)
    if strange:
        raise NotAllowed(
            f"{what} holds types that are not trusted: {', '.join(strange)}. Nothing was loaded; if you know where"
            " they come from, name them in trusted=[…]."
        )
    try:
        return skops.io.loads(data, trusted=sorted(found))
    except Exception as error:  # the types are trusted, yet their state can be nonsense in any way
        raise InvalidData(f"{what} cannot be loaded: {type(error).__name__}: {error}.") from None


def _normal(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        content = {name: archive.read(name) for name in archive.namelist() if name != "schema.json"}
        schema = json.loads(archive.read("schema.json"))
    renamed = {name: hashlib.sha256(part).hexdigest() + name[name.rfind(".") :] for name, part in content.items()}
    schema = _rewritten(schema, renamed, {})
    parts = {renamed[name]: part for name, part in content.items()}
    # Not compressed: zlib's output differs from version to version.
    parts["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(parts):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # the zip file says on which system it was made; let all say the same
            archive.writestr(entry, parts[name])
    return buffer.getvalue()


def _rewritten(node: Any, renamed: dict[str, str], numbers: dict[int, int]) -> Any:
    """The schema with files by content hash and objects numbered as they first appear."""
    if isinstance(node, list):
        return [_rewritten(item, renamed, numbers) for item in node]
    if not isinstance(node, dict):
        return node
    loader = node.get("__loader__")
    if loader == "SetNode" and isinstance(node.get("content"), list):
        # The order of a set of strings changes with every process.
        node = {**node, "content": sorted(node["content"], key=lambda item: _text(item, renamed))}
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            # Which equal constants are one object is chance; which arrays and estimators are is meant.
            if loader != "JsonNode":
                result[key] = numbers.setdefault(value, len(numbers) + 1)
        elif key == "file" and isinstance(loader, str) and isinstance(value, str):
            result[key] = renamed.get(value, value)
        else:
            result[key] = _rewritten(value, renamed, numbers)
    return result


def _text(node: Any, renamed: dict[str, str]) -> str:
    return json.dumps(_rewritten(node, renamed, {}))
