"""Refusals: a status code and one sentence."""

from fastapi import FastAPI
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mgnm_tf.errors import UserError

_LONGEST = 500
"""The most characters of a sentence."""


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: the HTTP status code.
        sentence: why.
        headers: further headers of the answer. Defaults to `None`.
    """

    def __init__(self, status: int, sentence: str, headers=None):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers


def refusal(status: int, sentence: str, headers=None) -> JSONResponse:
    """Returns `{"error": sentence}`, as TensorFlow Serving says it.

    Args:
        status: the HTTP status code.
        sentence: why a request is not answered.
        headers: further headers. Defaults to `None`.
    """
    # A name that a caller sent may hold half of a character.
    sentence = sentence.encode("utf-8", "replace").decode("utf-8")
    if len(sentence) > _LONGEST:
        sentence = sentence[: _LONGEST - 1] + "…"
    return JSONResponse({"error": sentence}, status, headers=headers)


def install(app: FastAPI) -> None:
    """Lets every error of an application end in one sentence.

    Args:
        app: the application.
    """

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal):
        return refusal(error.status, error.sentence, error.headers)

    @app.exception_handler(UserError)
    async def user_error(request: Request, error: UserError):
        return refusal(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def not_valid(request: Request, error: RequestValidationError):
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            why = first.get("ctx", {}).get("error", "")
            return refusal(400, f"The body is not JSON: {why}.")
        where = ".".join(map(str, first["loc"][1:]))
        what = f"`{where}`" if where else "The body"
        return refusal(422, f"{what}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException):
        said = {
            400: "The body is not JSON.",
            404: "There is no such path.",
            405: f"This path does not take {request.method}.",
        }
        sentence = said.get(error.status_code, str(error.detail))
        return refusal(error.status_code, sentence, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception):
        # What went wrong is in the log, without what was asked.
        return refusal(500, "The server could not answer; see its log.")
