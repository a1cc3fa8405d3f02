"""Where are the bytes of a model kept, so that they can neither change nor be confused?

Each file's name is the sha256 of its content: the same bytes are stored once, changed bytes are noticed on reading.
"""

from __future__ import annotations

import hmac
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mlops_lab.base.errors import HomeError, IntegrityError, InvalidData, UnknownName
from mlops_lab.base.fingerprint import fingerprint_bytes
from mlops_lab.models.tracking.models import TRUSTED_TYPES, dump_model, restore_model

__all__ = ["ArtefactStore"]

_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


class ArtefactStore:
    """Content-addressed files below `home/artefacts`, each written whole or not at all.

    Like git's object store (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects), and unlike MLflow's artefact
    folders, which go by run and name and are not verified. Nothing is ever deleted.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     store = ArtefactStore(home)
    ...     fingerprint = store.put_bytes(b"flights")
    ...     print(fingerprint[:20], store.get_bytes(fingerprint), list(store) == [fingerprint])
    sha256:c8cf489ed229d b'flights' True
    """

    def __init__(self, home: str | Path) -> None:
        self.home = Path(home)

    def __repr__(self) -> str:
        return "ArtefactStore()"

    def __iter__(self) -> Iterator[str]:
        """The fingerprints of everything stored, sorted."""
        for path in sorted((self.home / "artefacts").glob("??/*")):
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
        return self.home / "artefacts" / digits[:2] / digits[2:]

    def put_bytes(self, data: bytes) -> str:
        """Store bytes and return their fingerprint; on disk, for good, when this returns.

        Raises:
            InvalidData: these are no bytes.
            HomeError: the disk refuses.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise InvalidData(f"an artefact is bytes, not {type(data).__name__}; use save_model for an estimator.")
        data = bytes(data)
        fingerprint = fingerprint_bytes(data)
        path = self.path(fingerprint)
        try:
            # A file that is there and whole is left alone; a damaged one is written again.
            if path.is_file() and fingerprint_bytes(path.read_bytes()) == fingerprint:
                return fingerprint
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, data)
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
            raise UnknownName("artefact", fingerprint, self) from None
        except OSError as error:
            raise HomeError(self.home, error.strerror or str(error)) from None
        found = fingerprint_bytes(data)
        if not hmac.compare_digest(found, fingerprint):
            raise IntegrityError("an artefact", expected=fingerprint, found=found)
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
        return restore_model(self.get_bytes(fingerprint), trusted=trusted, what=f"artefact {fingerprint[:19]}…")


def _write_whole(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp lets only its maker read, and artefacts are shared
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    for folder in (path.parent, path.parent.parent):
        _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    # The new name is part of the folder, which has to reach the disk too; Windows does that by itself.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
