"""Requests and answers on the wire as pydantic models, from which OpenAPI describes them.

Above all the Open Inference Protocol (V2), in which tensors become rows and predictions a tensor again. JSON
(https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol) and its binary extension
(https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md), which KServe's and
Triton's clients send unless they are told not to.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from mlops_lab.delivery.server.bodies import RequestError, Table, parse_json

_LIMITS = {
    f"{sign}INT{bits}": (0, 2**bits - 1) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for sign in ("", "U")
    for bits in (8, 16, 32, 64)
}
_BINARY = {"BOOL": "?", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
_BINARY |= {name: f"<{name[0].lower()}{int(name.lstrip('UINT')) // 8}" for name in _LIMITS}

Datatype = Literal[
    "BOOL", "BYTES", "FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"
]


class InputTensor(BaseModel):
    """One input; its data is in JSON here, or in bytes behind the JSON."""

    model_config = ConfigDict(strict=True)

    name: str
    shape: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=8)]
    datatype: Datatype
    parameters: dict[str, Any] | None = None
    data: list[Any] | None = None

    @property
    def binary_size(self) -> int | None:
        """How many bytes behind the JSON are this tensor's; None when its data is in the JSON."""
        return (self.parameters or {}).get("binary_data_size")


class RequestedOutput(BaseModel):
    """An output that is asked for."""

    model_config = ConfigDict(strict=True)

    name: str
    parameters: dict[str, Any] | None = None


class InferenceRequest(BaseModel):
    """What is asked: tensors, and which outputs in which form."""

    model_config = ConfigDict(strict=True)

    id: str | None = None
    parameters: dict[str, Any] | None = None
    inputs: Annotated[list[InputTensor], Field(min_length=1)]
    outputs: list[RequestedOutput] | None = None

    @property
    def binary_output(self) -> bool:
        """Is the answer to be bytes behind a JSON header?"""
        asked = (self.outputs[0].parameters or {}) if self.outputs else {}
        return bool(asked.get("binary_data", (self.parameters or {}).get("binary_data_output", False)))

    def check_outputs(self, output: str) -> None:
        """Raise a `RequestError` when another output than the model's own is asked for."""
        names = [output] if self.outputs is None else [one.name for one in self.outputs]
        if names not in ([output], []):
            raise RequestError(
                422, "UnknownOutput", f"the model has one output, {output!r}; asked for was {names!r:.200}."
            )

    def answer(self, scores: list[float], name: str, version: int, *, output_name: str) -> tuple[bytes, int | None]:
        """The response for these predictions, and the length of its JSON where binary data follows."""
        output: dict[str, Any] = {"name": output_name, "shape": [len(scores)], "datatype": "FP64"}
        about: dict[str, Any] = {"model_name": name, "model_version": str(version), "outputs": [output]}
        if self.id is not None:
            about["id"] = self.id
        if not self.binary_output:
            output["data"] = scores
            return json.dumps(about, allow_nan=False).encode(), None
        data = np.asarray(scores, dtype="<f8").tobytes()
        output["parameters"] = {"binary_data_size": len(data)}
        header = json.dumps(about, allow_nan=False).encode()
        return header + data, len(header)


class OutputTensor(BaseModel):
    """The probabilities, or numbers, of the rows; their data is in bytes behind the JSON where that was asked for."""

    name: str
    shape: list[NonNegativeInt]
    datatype: Datatype
    parameters: dict[str, Any] | None = None
    data: list[float] | None = None


class InferenceResponse(BaseModel):
    """The answer to an `InferenceRequest`."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class RowError(BaseModel):
    """Why one row of a request has no prediction."""

    row: int
    kind: str
    error: str


class Predictions(BaseModel):
    """The probabilities of the rows, or the numbers of a regression, in their order; null where `errors` says why."""

    model_config = ConfigDict(protected_namespaces=())

    predictions: list[float | None]
    model_name: str
    model_version: str
    errors: list[RowError] | None = None


class Failure(BaseModel):
    """Why a request gets no answer."""

    error: str
    kind: str
    status: int
    request_id: str


def instances_schema(kinds: Mapping[str, str]) -> dict[str, Any]:
    """The JSON schema of `{"instances": [...]}` for a model whose features are of these kinds.

    >>> instances_schema({"hour": "number"})["properties"]["instances"]["items"]["required"]
    ['hour']
    """
    types = {"number": ["number", "null"], "text": ["string", "boolean", "null"]}
    row: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"type": types[kind]} for name, kind in kinds.items()},
        "required": list(kinds),
    }
    rows = {"type": "array", "items": row, "minItems": 1}
    return {"type": "object", "properties": {"instances": rows}, "required": ["instances"]}


def read_request(body: bytes, header: int | None = None) -> InferenceRequest:
    """The request of a body; with binary tensors `header` is the length of the JSON before them.

    Raises:
        RequestError: the request is not one of V2.

    >>> read_request(b'{"inputs": [{"name": "hour", "shape": [1], "datatype": "INT64", "data": [7]}]}').inputs[0].data
    [7]
    >>> read_request(b'{"inputs": []}')
    Traceback (most recent call last):
    mlops_lab.delivery.server.bodies.RequestError: inputs: List should have at least 1 item after validation, not 0.
    """
    if header is not None and not 0 < header <= len(body):
        raise RequestError(400, "MalformedBody", f"the header says {header} bytes of JSON; the body has {len(body)}.")
    value = parse_json(body if header is None else body[:header])
    try:
        request = InferenceRequest.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise RequestError(400, "MalformedBody", f"{where}: {first['msg']}."[:300]) from None
    at = len(body) if header is None else header
    for one in request.inputs:
        size = one.binary_size
        if size is None:
            continue
        if type(size) is not int or not 0 <= size <= len(body) - at:
            told = f"input {one.name!r:.80} is said to have {size!r:.20} bytes; {len(body) - at} are left."
            raise RequestError(400, "MalformedBody", told)
        one.data = _values(one, body[at : at + size])
        at += size
    if at != len(body):
        raise RequestError(400, "MalformedBody", f"{len(body) - at} bytes after the JSON belong to no input.")
    return request


def table_of_tensors(request: InferenceRequest, features: Sequence[str]) -> Table:
    """The rows of an inference request, by column.

    Either each column is an input of its own, of shape [rows] or [rows, 1], or one input of shape [rows, features]
    holds all of them in the model's order.

    Raises:
        RequestError: the tensors contradict their types or each other.

    >>> hour = InputTensor(name="hour", shape=[2, 1], datatype="INT64", data=[6, 7])
    >>> table_of_tensors(InferenceRequest(inputs=[hour]), ["hour"])
    {'hour': [6, 7]}
    """
    tensors = [(one.name, one.shape, _data(one)) for one in request.inputs]
    if len(tensors) == 1 and len(tensors[0][1]) == 2 and tensors[0][1][1] == len(features) and len(features) > 1:
        _, (rows, width), data = tensors[0]
        return {name: data[at : rows * width : width] for at, name in enumerate(features)}
    table: Table = {}
    for name, shape, data in tensors:
        if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
            told = f"input {name!r:.80} has shape {shape!r:.80}; a column has [rows] or [rows, 1]."
            raise RequestError(422, "WrongShape", told)
        if name in table:
            raise RequestError(422, "DuplicateColumn", f"input {name!r:.80} is there twice.")
        table[name] = data
    lengths = {name: len(data) for name, data in table.items()}
    if len(set(lengths.values())) > 1:
        raise RequestError(422, "WrongShape", f"the inputs have different numbers of rows: {lengths}."[:300])
    if not next(iter(lengths.values())):
        raise RequestError(422, "NoRows", "the inputs have no rows.")
    return table


def metadata_of(name: str, version: int, kinds: Mapping[str, str], output: str) -> dict[str, Any]:
    """What V2 says of a model: its inputs and its output.

    >>> metadata_of("late", 2, {"hour": "number"}, "probability")["inputs"]
    [{'name': 'hour', 'datatype': 'FP64', 'shape': [-1, 1]}]
    """
    types = {"number": "FP64", "text": "BYTES"}
    return {
        "name": name,
        "versions": [str(version)],
        "platform": "mlops-lab",
        "inputs": [{"name": one, "datatype": types[kind], "shape": [-1, 1]} for one, kind in kinds.items()],
        "outputs": [{"name": output, "datatype": "FP64", "shape": [-1]}],
    }


def _values(tensor: InputTensor, data: bytes) -> list[Any]:
    """The values of a tensor in binary form: little-endian, row after row; texts have their length before them."""
    if tensor.datatype != "BYTES":
        kind = np.dtype(_BINARY[tensor.datatype])
        if len(data) % kind.itemsize:
            told = f"input {tensor.name!r:.80}: {len(data)} bytes are no whole number of {tensor.datatype}."
            raise RequestError(400, "MalformedBody", told)
        found: list[Any] = np.frombuffer(data, dtype=kind).tolist()
        return found
    texts: list[Any] = []
    at = 0
    try:
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            if at + 4 + length > len(data):
                raise ValueError(length)
            texts.append(data[at + 4 : at + 4 + length].decode("utf-8"))
            at += 4 + length
    except (struct.error, ValueError):
        told = f"input {tensor.name!r:.80}: its bytes are no texts in UTF-8 with their lengths."
        raise RequestError(400, "MalformedBody", told) from None
    return texts


def _data(tensor: InputTensor) -> list[Any]:
    """The values of a tensor, flat, each of them of its type or null."""
    data = _flat(tensor.data)
    if len(data) != math.prod(tensor.shape):
        told = f"input {tensor.name!r:.80}: shape {tensor.shape!r:.80} does not fit {len(data)} values."
        raise RequestError(400, "MalformedBody", told)
    datatype = tensor.datatype
    if datatype in _LIMITS:
        low, high = _LIMITS[datatype]
        good = [one is None or (type(one) is int and low <= one <= high) for one in data]
    else:
        # A truth value among texts is what training made "True" of.
        kinds: tuple[type, ...] = {"BOOL": (bool,), "BYTES": (str, bool)}.get(datatype, (int, float))
        good = [one is None or type(one) in kinds for one in data]
    if not all(good):
        at = good.index(False)
        raise RequestError(
            422, "WrongType", f"input {tensor.name!r:.80}, value {at}: {data[at]!r:.60} is no {datatype}."
        )
    return data


def _flat(value: list[Any] | None) -> list[Any]:
    if value is None:
        raise RequestError(400, "MalformedBody", "the data of an input must be a list, or bytes after the JSON.")
    if not any(isinstance(one, list) for one in value):
        return value
    if not all(isinstance(one, list) and len(one) == len(value[0]) for one in value):
        raise RequestError(400, "MalformedBody", "the rows of an input's data are of different lengths.")
    return [inner for one in value for inner in one]
