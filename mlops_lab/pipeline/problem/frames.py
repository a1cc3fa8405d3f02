"""Frames on their way from one task to the next, which may run on another machine.

They go by reference: the rows are an artefact of the home folder, and the task's result names it. Where only the home
folder is shared, that is enough.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import TrainingSet

if TYPE_CHECKING:
    from mlops_lab.models.tracking import ArtefactStore

__all__ = ["get_json", "get_training_set", "put_json", "put_training_set"]


def put_training_set(artefacts: ArtefactStore, training_set: TrainingSet) -> dict[str, Any]:
    """Store a training set as an Arrow file and return its reference: small JSON values.

    >>> import tempfile, pandas as pd
    >>> from mlops_lab.models.tracking import ArtefactStore
    >>> rows = pd.DataFrame({"event_timestamp": pd.to_datetime(["2013-01-01T06:00Z"]), "wind": [3.5]})
    >>> known = TrainingSet(rows, features=("wind",), service="weather", views=("airport_weather",), time_range=None)
    >>> with tempfile.TemporaryDirectory() as home:
    ...     artefacts = ArtefactStore(home)
    ...     reference = put_training_set(artefacts, known)
    ...     again = get_training_set(artefacts, reference)
    >>> again.fingerprint == reference["fingerprint"]
    True
    """
    from pyarrow import Table, feather

    sink = io.BytesIO()
    feather.write_feather(Table.from_pandas(training_set.frame, preserve_index=False), sink, compression="lz4")
    return {
        "artefact": artefacts.put_bytes(sink.getvalue()),
        "features": list(training_set.features),
        "fingerprint": training_set.fingerprint,
        "rows": len(training_set),
        "service": training_set.service,
        "views": list(training_set.views),
    }


def get_training_set(artefacts: ArtefactStore, reference: dict[str, Any]) -> TrainingSet:
    """The training set that a reference names; its bytes are verified.

    Raises:
        InvalidData: what the reference names is not a stored training set.
        UnknownName: the artefact is not in this home folder.
        IntegrityError: its bytes have changed.

    >>> import tempfile
    >>> from mlops_lab.models.tracking import ArtefactStore
    >>> with tempfile.TemporaryDirectory() as home:
    ...     get_training_set(ArtefactStore(home), {"artefact": ArtefactStore(home).put_bytes(b"no rows")})
    Traceback (most recent call last):
    mlops_lab.base.errors.InvalidData: artefact sha256:c9039c6dfee5… is not a training set.
    """
    from pyarrow import ArrowInvalid, BufferReader, feather

    try:
        frame = feather.read_feather(BufferReader(artefacts.get_bytes(reference["artefact"])))
    except ArrowInvalid:
        raise InvalidData(f"artefact {reference['artefact'][:19]}… is not a training set.") from None
    times = frame["event_timestamp"] if "event_timestamp" in frame.columns and len(frame) else None
    known = TrainingSet(
        frame,
        features=tuple(reference["features"]),
        service=reference["service"],
        views=tuple(reference["views"]),
        time_range=None if times is None else (times.min(), times.max()),
    )
    # The bytes were just verified, so the fingerprint that was worked out when they were written still holds.
    vars(known)["fingerprint"] = reference["fingerprint"]
    return known


def put_json(artefacts: ArtefactStore, value: Any) -> str:
    """Store a JSON value, NaN included, and return the fingerprint of its bytes.

    >>> import tempfile
    >>> from mlops_lab.models.tracking import ArtefactStore
    >>> with tempfile.TemporaryDirectory() as home:
    ...     get_json(ArtefactStore(home), put_json(ArtefactStore(home), {"auc": 0.7}))
    {'auc': 0.7}
    """
    return artefacts.put_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def get_json(artefacts: ArtefactStore, reference: str) -> Any:
    """The JSON value that a fingerprint names.

    >>> import tempfile
    >>> from mlops_lab.models.tracking import ArtefactStore
    >>> with tempfile.TemporaryDirectory() as home:
    ...     get_json(ArtefactStore(home), ArtefactStore(home).put_bytes(b"[1, 2]"))
    [1, 2]
    """
    return json.loads(artefacts.get_bytes(reference))
