"""The paths of TensorFlow Serving's REST interface."""

import json
from typing import Any

from fastapi import APIRouter
from fastapi import Request
from fastapi.responses import Response

from mgnm_tf.serving.http.refusals import Refusal
from mgnm_tf.serving.http.served_model import Version
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.signature_calls import SignatureCall

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

        answer = await models.ask(model, SignatureCall(body, models.settings))
        return Response(answer, media_type="application/json")

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
