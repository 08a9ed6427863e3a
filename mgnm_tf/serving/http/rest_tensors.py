"""Tensors in the JSON of TensorFlow Serving's REST interface."""

import base64
import binascii
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from mgnm_tf.serving.http.refusals import Refusal

_DEEPEST = 8
_INTEGERS = {"int32": (-(1 << 31), 1 << 31), "int64": (-(1 << 63), 1 << 63)}

Spec = Mapping[str, Any]
"""`dtype` and `shape` of a tensor, as in `export.json`."""


def read_inputs(
    body: Any, specs: Mapping[str, Spec]
) -> tuple[dict[str, np.ndarray], int | None]:
    """Reads the tensors of a signature from a body.

    `inputs` holds a tensor by name, or the tensor alone where a signature has
    one; `instances` holds a row of each tensor for each user.

    Args:
        body: what was sent, read from JSON.
        specs: dtype and shape of each input.

    Returns:
        The tensors by name, and the number of instances; `None` of `inputs`.

    Raises:
        Refusal: they cannot be read, or do not fit (400).
    """
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object.")
    forms = [form for form in ("instances", "inputs") if form in body]
    if len(forms) != 1:
        raise Refusal(400, "Give either `instances` or `inputs`.")
    rows = None
    if forms == ["inputs"]:
        given = _named(body["inputs"], specs, "`inputs`")
    else:
        instances = body["instances"]
        if not isinstance(instances, list) or not instances:
            raise Refusal(400, "`instances` must be a list with an entry each.")
        rows = len(instances)
        each = [
            _named(one, specs, f"Entry {place} of `instances`")
            for place, one in enumerate(instances)
        ]
        given = {name: [one[name] for one in each] for name in specs}
    tensors = {
        name: _tensor(name, given[name], spec) for name, spec in specs.items()
    }
    return tensors, rows


def _named(value: Any, specs, where: str) -> dict[str, Any]:
    """Returns the inputs by name, after a check that all are there."""
    if not isinstance(value, dict) or set(value) == {"b64"}:
        if len(specs) != 1:
            raise Refusal(
                400,
                f"{where} must be an object with the inputs by name: "
                f"{', '.join(sorted(specs))}.",
            )
        return {next(iter(specs)): value}
    missing = sorted(set(specs) - set(value))
    if missing:
        raise Refusal(400, f"{where} must have `{missing[0]}`.")
    if set(value) - set(specs):
        raise Refusal(
            400,
            f"{where} has an input that the signature has not; it takes "
            f"{', '.join(sorted(specs))}.",
        )
    return value


def _tensor(name: str, value: Any, spec: Spec) -> np.ndarray:
    flat: list = []
    shape = _shape(name, value)
    _flatten(name, value, shape, spec["dtype"], flat)
    dtype = object if spec["dtype"] == "string" else spec["dtype"]
    array = np.empty(len(flat), dtype)
    array[:] = flat
    if not _fits(shape, spec["shape"]):
        sizes = ["any" if one is None else str(one) for one in spec["shape"]]
        raise Refusal(
            400,
            f"`{name}` must have the shape ({', '.join(sizes)}). Received: "
            f"shape {shape}",
        )
    return array.reshape(shape)


def _fits(shape: tuple[int, ...], expected: list[int | None] | None) -> bool:
    """Whether a shape is one that a signature takes."""
    if expected is None:
        return True
    return len(shape) == len(expected) and all(
        size in (None, found)
        for size, found in zip(expected, shape, strict=True)
    )


def _shape(name, value) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > _DEEPEST:
            raise Refusal(400, f"`{name}` has too many axes.")
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _flatten(name, value, shape, dtype, flat) -> None:
    """Puts the values of a nested list into a flat one, after checks."""
    if not shape:
        flat.append(_value(name, value, dtype))
        return
    if not isinstance(value, list) or len(value) != shape[0]:
        raise Refusal(
            400,
            f"The rows of `{name}` must have the same length; fill short "
            'ones up with "".'
            if dtype == "string"
            else f"The rows of `{name}` must have the same length.",
        )
    for one in value:
        _flatten(name, one, shape[1:], dtype, flat)


def _value(name, value, dtype):
    """Returns one value, if it is of the dtype."""
    if dtype == "string":
        if isinstance(value, str):
            try:
                return value.encode("utf-8")
            except UnicodeEncodeError:
                pass
        elif isinstance(value, dict) and set(value) == {"b64"}:
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (TypeError, ValueError, binascii.Error):
                pass
    elif dtype == "bool":
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool):
        pass
    elif dtype in _INTEGERS:
        low, high = _INTEGERS[dtype]
        if isinstance(value, int) and low <= value < high:
            return value
    elif isinstance(value, (int, float)) and abs(value) < 1e300:
        return value
    raise Refusal(400, f"`{name}` must hold values of the type {dtype}.")


def write_outputs(
    outputs: Mapping[str, np.ndarray], rows: int | None
) -> dict[str, Any]:
    """Writes the tensors of an answer, in the form of the request.

    Args:
        outputs: the tensors by name; text as bytes or str.
        rows: the number of instances; `None` of `inputs`.

    Returns:
        `outputs` with the tensors by name, or `predictions` with a dict of
        their rows for each instance; where there is one tensor, without its
        name.

    Raises:
        Refusal: a tensor has no row for each instance (400).
    """
    lists = {name: _listed(array) for name, array in outputs.items()}
    if rows is None:
        return {"outputs": _alone(lists)}
    for name, array in outputs.items():
        if array.ndim < 1 or len(array) != rows:
            raise Refusal(
                400,
                f"The output `{name}` has no row for each instance, so the "
                "signature must be asked by `inputs`.",
            )
    return {
        "predictions": [
            _alone({name: values[row] for name, values in lists.items()})
            for row in range(rows)
        ]
    }


def _alone(values: Mapping[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else dict(values)


def _listed(array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    return _decoded(array.tolist())


def _decoded(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, (bytes, str)):
        return [_decoded(one) for one in value]
    return value.decode("utf-8") if isinstance(value, bytes) else value
