"""The paths of TensorFlow Serving's REST interface."""

import json
import re
from typing import Any

import numpy as np
import tensorflow as tf
from fastapi import APIRouter
from fastapi import Request
from fastapi.responses import Response

from mgnm_tf.serving.http.refusals import Refusal
from mgnm_tf.serving.http.rest_tensors import read_inputs
from mgnm_tf.serving.http.rest_tensors import write_outputs
from mgnm_tf.serving.http.served_model import Version
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.settings import Settings

_CELLS = 1 << 18
"""The most events of all histories of a request, filled up to the longest."""
_ANSWERS = 1 << 20
"""The most values that a request may ask for."""
_PREDICT = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "signature_name": {
                            "type": "string",
                            "default": "serving_default",
                        },
                        "instances": {"type": "array"},
                        "inputs": {"type": "object"},
                    },
                }
            }
        },
    }
}


def tensorflow_serving_paths(models: ServedModels) -> APIRouter:
    """Returns the paths.

    A request is answered by the signature of the SavedModel that it names,
    `serving_default` where it names none, as TensorFlow Serving does.

    Args:
        models: who answers.
    """
    router = APIRouter(prefix="/v1/models", tags=["TensorFlow Serving"])

    async def predict(name: str, version: str | None, request: Request):
        model = models.get(name, _number(version))
        body = _json(await request.body())

        def call(version: Version) -> Any:
            answer = _call(version, body, models.settings)
            return json.dumps(answer, ensure_ascii=False).encode("utf-8")

        return Response(
            await models.ask(model, call), media_type="application/json"
        )

    @router.post("/{name}:predict", openapi_extra=_PREDICT)
    async def predict_latest(name: str, request: Request) -> Any:
        """Calls a signature, with `instances` or `inputs`."""
        return await predict(name, None, request)

    @router.post("/{name}/versions/{version}:predict", openapi_extra=_PREDICT)
    async def predict_version(name: str, version: str, request: Request) -> Any:
        """Calls a signature of a version."""
        return await predict(name, version, request)

    @router.get("/{name}/metadata")
    async def metadata(name: str) -> dict[str, Any]:
        """Tells the signatures of a model."""
        return _metadata(name, models.get(name).current)

    @router.get("/{name}/versions/{version}/metadata")
    async def metadata_of(name: str, version: str) -> dict[str, Any]:
        """Tells the signatures of a version."""
        return _metadata(name, models.get(name, _number(version)).current)

    @router.get("/{name}")
    async def status(name: str) -> dict[str, Any]:
        """Tells the state of a model."""
        return _status(models.get(name).current)

    @router.get("/{name}/versions/{version}")
    async def status_of(name: str, version: str) -> dict[str, Any]:
        """Tells the state of a version."""
        return _status(models.get(name, _number(version)).current)

    return router


def _number(version: str | None) -> int | None:
    if version is None:
        return None
    # No number has more digits than this.
    if not version.isascii() or not version.isdigit() or len(version) > 18:
        raise Refusal(404, "There is no such version; it must be a number.")
    return int(version)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, json.JSONDecodeError) else ""
        raise Refusal(
            400, f"The body is not JSON{reason and ': '}{reason}."
        ) from error


def _call(version: Version, body: Any, settings: Settings) -> dict[str, Any]:
    """Calls the signature that a body names."""
    recommender = version.recommender
    name = "serving_default"
    if isinstance(body, dict):
        name = body.get("signature_name") or name
    described = recommender.metadata["signatures"]
    if not isinstance(name, str) or name not in described:
        raise Refusal(
            400,
            "There is no such signature; the model has "
            f"{', '.join(sorted(described))}.",
        )
    inputs, rows = read_inputs(body, described[name]["inputs"])
    _check_sizes(inputs, settings)
    tensors = {key: tf.constant(value) for key, value in inputs.items()}
    try:
        found = recommender.served.signatures[name](**tensors)
    except tf.errors.InvalidArgumentError as error:
        raise Refusal(400, _sentence(error.message)) from error
    outputs = {key: tensor.numpy() for key, tensor in found.items()}
    return write_outputs(outputs, rows)


def _check_sizes(inputs: dict[str, np.ndarray], settings: Settings) -> None:
    """Refuses what would take all memory."""
    rows = len(inputs["user_id"])
    if rows > settings.max_rows:
        raise Refusal(
            400,
            f"A request may have at most {settings.max_rows:,} users. "
            f"Received: {rows:,}",
        )
    width = inputs["history"].shape[1]
    if width > settings.max_history:
        raise Refusal(
            400,
            f"`history` must have at most {settings.max_history:,} items. "
            f"Received: {width:,}",
        )
    if inputs["history"].size > _CELLS:
        raise Refusal(
            400,
            f"`history` must have at most {_CELLS:,} places. Received: "
            f"{inputs['history'].size:,}",
        )
    answers = 0
    if "k" in inputs and inputs["k"].size:
        k = int(inputs["k"].max())
        if k > settings.max_items:
            raise Refusal(
                400,
                f"`k` must be at most {settings.max_items:,}. Received: k={k}",
            )
    if "vectors" in inputs:
        answers = rows * len(inputs["vectors"])
    if answers > _ANSWERS:
        raise Refusal(
            400,
            f"A request may ask for at most {_ANSWERS:,} scores. Received: "
            f"{answers:,}",
        )


def _sentence(message: str) -> str:
    """Returns what a check of the graph says, without the rest.

    `assertion failed: [What was expected.] [Condition ...] [...]`
    """
    found = re.search(r"\[([^\]]+?)\.?\]", message)
    said = found[1] if found else "The inputs do not fit together"
    return f"{said}."


def _status(version: Version) -> dict[str, Any]:
    return {
        "model_version_status": [
            {
                "version": str(version.number),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def _metadata(name: str, version: Version) -> dict[str, Any]:
    return {
        "model_spec": {
            "name": name,
            "signature_name": "",
            "version": str(version.number),
        },
        "metadata": {
            "signature_def": {"signature_def": version.signature_defs}
        },
    }
