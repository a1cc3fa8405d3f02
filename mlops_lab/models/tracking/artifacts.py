"""Artifacts: the bytes of models, that can neither change nor be confused nor run strange code."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, NotAllowed, UnknownName
from mlops_lab.base.fingerprint import fingerprint_bytes
from mlops_lab.base.storage import write_atomically

TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer._RemainderColsList",  # a list of columns, in scikit-learn 1.6 and 1.7
    # skops warns of the two kinds of tree: a crafted one can crash the process. Ours come from our own training, and
    # their bytes are verified first; pass trusted=() to refuse trees.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""What our own pipelines need beyond the types that skops trusts by itself."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip file can name


def dump_model(estimator: Any) -> bytes:
    """The bytes of a skops file, the same for the same fitted estimator.

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


_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


class ArtifactStore:
    """Content-addressed files below `home/artifacts`, each written whole or not at all.

    Like git's object store (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects), and unlike MLflow's artifact
    folders, which go by run and name and are not verified. Nothing is ever deleted.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     store = ArtifactStore(home)
    ...     fingerprint = store.put_bytes(b"flights")
    ...     print(fingerprint[:20], store.get_bytes(fingerprint), list(store) == [fingerprint])
    sha256:c8cf489ed229d b'flights' True
    """

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)
        old = self.home / "artefacts"  # as version 0.1 spelled it
        self._folder = old if old.is_dir() else self.home / "artifacts"

    def __repr__(self) -> str:
        return "ArtifactStore()"

    def __iter__(self) -> Iterator[str]:
        """The fingerprints of everything stored, sorted."""
        for path in sorted(self._folder.glob("??/*")):
            fingerprint = f"sha256:{path.parent.name}{path.name}"
            if _FINGERPRINT.fullmatch(fingerprint):
                yield fingerprint

    def __contains__(self, fingerprint: str) -> bool:
        return self.path(fingerprint).is_file()

    def path(self, fingerprint: str) -> Path:
        """Where the bytes of this fingerprint are, or would be.

        Raises:
            InvalidData: this is no fingerprint, so no path is made of it.
        """
        if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
            shown = repr(fingerprint) if len(repr(fingerprint)) <= 90 else repr(fingerprint)[:90] + "…"
            raise InvalidData(f"{shown} is not a fingerprint; one reads sha256: and 64 digits 0-9a-f.")
        digits = fingerprint.removeprefix("sha256:")
        return self._folder / digits[:2] / digits[2:]

    def put_bytes(self, data: bytes) -> str:
        """Store bytes and return their fingerprint; on disk, for good, when this returns.

        Raises:
            InvalidData: these are no bytes.
            HomeError: the disk refuses.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InvalidData(f"an artifact is bytes, not {type(data).__name__}; use save_model for an estimator.")
        data = bytes(data)
        fingerprint = fingerprint_bytes(data)
        path = self.path(fingerprint)
        try:
            # A file that is there and whole is left alone; a damaged one is written again.
            if path.is_file() and fingerprint_bytes(path.read_bytes()) == fingerprint:
                return fingerprint
            write_atomically(path, data)
        except OSError as error:
            raise HomeError(self.home, error.strerror or str(error)) from None
        return fingerprint

    def get_bytes(self, fingerprint: str) -> bytes:
        """The bytes of a fingerprint, verified.

        Raises:
            InvalidData: this is no fingerprint.
            UnknownName: nothing is stored under it.
            IntegrityError: what is stored under it has changed.
            HomeError: the disk refuses.
        """
        path = self.path(fingerprint)
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise UnknownName("artifact", fingerprint, self) from None
        except OSError as error:
            raise HomeError(self.home, error.strerror or str(error)) from None
        found = fingerprint_bytes(data)
        if not hmac.compare_digest(found, fingerprint):
            raise IntegrityError("an artifact", expected=fingerprint, found=found)
        return data

    def save_model(self, estimator: Any) -> str:
        """Store a scikit-learn estimator as a skops file; the same fitted estimator gives the same fingerprint.

        Raises:
            InvalidData: skops cannot write this object.
            HomeError: the disk refuses.
        """
        return self.put_bytes(dump_model(estimator))

    def load_model(self, fingerprint: str, *, trusted: Iterable[str] = TRUSTED_TYPES) -> Any:
        """Load an estimator whose bytes are verified and whose types are all known; nothing runs before both are.

        `trusted` are full type names beyond what skops itself trusts (scikit-learn's estimators, NumPy's arrays).
        See https://skops.readthedocs.io/en/stable/persistence.html.

        Raises:
            NotAllowed: the file holds types that are not trusted; the message names them.
            InvalidData: no fingerprint, or no skops file.
            UnknownName: nothing is stored under the fingerprint.
            IntegrityError: the bytes have changed.
        """
        return restore_model(self.get_bytes(fingerprint), trusted=trusted, what=f"artifact {fingerprint[:19]}…")
