"""The signatures of a SavedModel as TensorFlow Serving tells them."""

from pathlib import Path
from typing import Any

from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2


def signature_defs(saved_model: Path) -> dict[str, Any]:
    """Reads the signatures in the JSON form of `SignatureDef`.

    Args:
        saved_model: the folder of the SavedModel.
    """
    content = (saved_model / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
    return {
        name: {
            "inputs": _tensors(signature.inputs),
            "outputs": _tensors(signature.outputs),
            "method_name": signature.method_name,
            "defaults": {},
        }
        for name, signature in sorted(graph.signature_def.items())
    }


def _tensors(infos: Any) -> dict[str, Any]:
    return {
        name: {
            "dtype": types_pb2.DataType.Name(info.dtype),
            "tensor_shape": {
                "dim": [
                    {"size": str(one.size), "name": one.name}
                    for one in info.tensor_shape.dim
                ],
                "unknown_rank": info.tensor_shape.unknown_rank,
            },
            "name": info.name,
        }
        for name, info in sorted(infos.items())
    }
