"""Frames on their way from one task to the next, which may run on another machine.

They go by reference: the rows are an artifact of the home folder, and the task's result names it. Where only the home
folder is shared, that is enough.
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from mlops_lab.base.errors import InvalidData
from mlops_lab.data.features import TrainingSet

if TYPE_CHECKING:
    from mlops_lab.models.tracking import ArtifactStore


_KEY = b"mlops_lab"  # in the Arrow file's own metadata, so that no reference can say anything else of the rows


def put_training_set(artifacts: ArtifactStore, training_set: TrainingSet, *, role: str = "known") -> dict[str, Any]:
    """Store a training set as an Arrow file and return its reference: small JSON values.

    The file itself says what the rows are: its `role` ("known", or "served" for what the online store would have
    answered), its features, service, views and fingerprint.
    """
    from pyarrow import Table, feather

    told = {
        "features": list(training_set.features),
        "fingerprint": training_set.fingerprint,
        "service": training_set.service,
        "views": list(training_set.views),
    }
    table, sink = Table.from_pandas(training_set.frame, preserve_index=False), io.BytesIO()
    kept = {**(table.schema.metadata or {}), _KEY: json.dumps({"role": role, **told}, sort_keys=True).encode()}
    feather.write_feather(table.replace_schema_metadata(kept), sink, compression="lz4")
    return {"artifact": artifacts.put_bytes(sink.getvalue()), "rows": len(training_set), **told}


def rows_of(reference: dict[str, Any]) -> str:
    """The fingerprint of the rows that a reference names; `artefact` is how version 0.1 wrote the key."""
    return str(reference.get("artifact") or reference["artefact"])


def get_training_set(artifacts: ArtifactStore, reference: dict[str, Any], *, role: str | None = None) -> TrainingSet:
    """The training set that a reference names; its bytes are verified, and what they are is read from them.

    Args:
        artifacts: where the rows are.
        reference: what `put_training_set` returned.
        role: what the rows must have been stored as; None for either.

    Raises:
        InvalidData: what the reference names is not in this home folder, is no stored training set, or one in another
            role.
        IntegrityError: its bytes have changed.
    """
    from pyarrow import ArrowInvalid, BufferReader, feather

    fingerprint = rows_of(reference)
    if fingerprint not in artifacts:
        raise InvalidData(
            f"the {role or 'stored'} rows {fingerprint[:19]}… are not in this home folder any more, so nobody can"
            " measure anything on them; start a new run, without --resume."
        )
    try:
        table = feather.read_table(BufferReader(artifacts.get_bytes(fingerprint)))
    except ArrowInvalid:
        raise InvalidData(f"artifact {fingerprint[:19]}… is not a training set.") from None
    written = (table.schema.metadata or {}).get(_KEY)
    told = json.loads(written) if written is not None else {**reference, "role": None}
    if role is not None and told["role"] != role:
        stored = "before rows said what they are" if told["role"] is None else f"as {told['role']} rows"
        raise InvalidData(
            f"artifact {fingerprint[:19]}… was stored {stored}, and {role} rows are wanted; start a new run."
        )
    frame = table.to_pandas(split_blocks=True, self_destruct=True)  # else every column would be there twice
    del table
    times = frame["event_timestamp"] if "event_timestamp" in frame.columns and len(frame) else None
    known = TrainingSet(
        frame,
        features=tuple(told["features"]),
        service=told["service"],
        views=tuple(told["views"]),
        time_range=None if times is None else (times.min(), times.max()),
    )
    # The bytes were just verified, so the fingerprint that was worked out when they were written still holds.
    vars(known)["fingerprint"] = told["fingerprint"]
    return known


def put_json(artifacts: ArtifactStore, value: Any) -> str:
    """Store a JSON value, NaN included, and return the fingerprint of its bytes."""
    return artifacts.put_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())


def get_json(artifacts: ArtifactStore, reference: str) -> Any:
    """The JSON value that a fingerprint names."""
    return json.loads(artifacts.get_bytes(reference))
