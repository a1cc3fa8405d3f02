"""How do KServe's tensors become rows, and probabilities tensors again?

The Open Inference Protocol (V2), https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol,
in JSON; its binary extension is refused with a sentence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mlops_lab.delivery.server.bodies import Table
from mlops_lab.delivery.server.refusal import Refusal

__all__ = ["OUTPUT", "metadata_of", "table_of_tensors", "tensors_of"]

#: The one output of every model here.
OUTPUT = "probability"

_INTEGERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_TYPES = _INTEGERS | {"BOOL", "BYTES", "FP16", "FP32", "FP64"}


def table_of_tensors(body: Any, features: Sequence[str]) -> Table:
    """The rows of an inference request, by column.

    Either each column is an input of its own, of shape [rows] or [rows, 1], or one input of shape [rows, features]
    holds all of them in the model's order.

    Raises:
        Refusal: the request is not one of V2, or its tensors contradict each other.

    >>> hour = {"name": "hour", "shape": [2, 1], "datatype": "INT64", "data": [6, 7]}
    >>> table_of_tensors({"inputs": [hour]}, ["hour"])
    {'hour': [6, 7]}
    """
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise Refusal(400, "MalformedBody", 'a V2 request is {"inputs": [{"name", "shape", "datatype", "data"}, ...]}.')
    tensors = [_tensor(at, one) for at, one in enumerate(inputs)]
    if len(tensors) == 1 and len(tensors[0][1]) == 2 and tensors[0][1][1] == len(features) and len(features) > 1:
        _, (rows, width), data = tensors[0]
        return {name: data[at : rows * width : width] for at, name in enumerate(features)}
    table: Table = {}
    for name, shape, data in tensors:
        if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
            raise Refusal(422, "WrongShape", f"input {name!r} has shape {shape}; a column has [rows] or [rows, 1].")
        if name in table:
            raise Refusal(422, "DuplicateColumn", f"input {name!r} is there twice.")
        table[name] = data
    lengths = {name: len(data) for name, data in table.items()}
    if len(set(lengths.values())) > 1:
        raise Refusal(422, "WrongShape", f"the inputs have different numbers of rows: {lengths}."[:300])
    if not next(iter(lengths.values())):
        raise Refusal(422, "NoRows", "the inputs have no rows.")
    return table


def tensors_of(scores: list[float], name: str, version: int, request: Any) -> dict[str, Any]:
    """The inference response for these probabilities.

    >>> tensors_of([0.25], "late", 2, {"id": "a"})["outputs"]
    [{'name': 'probability', 'shape': [1], 'datatype': 'FP64', 'data': [0.25]}]
    """
    wanted = request.get("outputs") or [{"name": OUTPUT}]
    names = [one.get("name") for one in wanted if isinstance(one, dict)] if isinstance(wanted, list) else []
    if names != [OUTPUT]:
        raise Refusal(422, "UnknownOutput", f"the model has one output, {OUTPUT!r}; asked for was {names!r}."[:300])
    output = {"name": OUTPUT, "shape": [len(scores)], "datatype": "FP64", "data": scores}
    about = {"model_name": name, "model_version": str(version), "outputs": [output]}
    return {**about, "id": request["id"]} if isinstance(request.get("id"), str) else about


def metadata_of(name: str, version: int, kinds: dict[str, str]) -> dict[str, Any]:
    """What V2 says of a model: its inputs and its output.

    >>> metadata_of("late", 2, {"hour": "number"})["inputs"]
    [{'name': 'hour', 'datatype': 'FP64', 'shape': [-1, 1]}]
    """
    types = {"number": "FP64", "text": "BYTES"}
    return {
        "name": name,
        "versions": [str(version)],
        "platform": "mlops-lab",
        "inputs": [{"name": one, "datatype": types[kind], "shape": [-1, 1]} for one, kind in kinds.items()],
        "outputs": [{"name": OUTPUT, "datatype": "FP64", "shape": [-1]}],
    }


def _tensor(at: int, value: Any) -> tuple[str, list[int], list[Any]]:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise Refusal(400, "MalformedBody", f"input {at} is no tensor with a name.")
    name, shape, datatype = value["name"], value.get("shape"), value.get("datatype")
    if not isinstance(shape, list) or not shape or not all(type(one) is int and one >= 0 for one in shape):
        raise Refusal(400, "MalformedBody", f"input {name!r}: the shape must be whole numbers, such as [2, 1].")
    if not isinstance(datatype, str) or datatype not in _TYPES:
        raise Refusal(400, "MalformedBody", f"input {name!r}: {datatype!r:.60} is no datatype of V2.")
    parameters = value.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise Refusal(400, "MalformedBody", f"input {name!r}: the parameters must be an object.")
    if "binary_data_size" in (parameters or {}):
        raise Refusal(415, "UnsupportedType", "binary tensors are not read here; send the data as JSON.")
    data = _flat(value.get("data"))
    if len(data) != math.prod(shape):
        raise Refusal(400, "MalformedBody", f"input {name!r}: shape {shape} does not fit {len(data)} values.")
    _check_type(name, datatype, data)
    return name, shape, data


def _check_type(name: str, datatype: str, data: list[Any]) -> None:
    """Is every value what the tensor's type says, or null?"""
    low, high = 0, 0
    if datatype in _INTEGERS:
        bits = int(datatype.lstrip("UINT"))
        low, high = (0, 2**bits - 1) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for at, one in enumerate(data):
        if one is None:
            continue
        if datatype in _INTEGERS:
            good = type(one) is int and low <= one <= high
        elif datatype == "BOOL":
            good = type(one) is bool
        elif datatype == "BYTES":
            good = isinstance(one, str | bool)  # a truth value among texts is what training made "True" of
        else:
            good = type(one) in (int, float)
        if not good:
            shown = repr(one)
            raise Refusal(422, "WrongType", f"input {name!r}, value {at}: {shown:.60} is no {datatype}.")


def _flat(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Refusal(400, "MalformedBody", "the data of an input must be a list.")
    if not any(isinstance(one, list) for one in value):
        return value
    if not all(isinstance(one, list) and len(one) == len(value[0]) for one in value):
        raise Refusal(400, "MalformedBody", "the rows of an input's data are of different lengths.")
    return [inner for one in value for inner in one]
