"""All exports of a server, and the look for new versions."""

import asyncio
import gc
import threading
from collections.abc import Mapping
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from mgnm_tf.errors import UserError
from mgnm_tf.serving.http.batcher import QueueFullError
from mgnm_tf.serving.http.item_list import Item
from mgnm_tf.serving.http.metrics import Metrics
from mgnm_tf.serving.http.refusals import Refusal
from mgnm_tf.serving.http.served_model import Call
from mgnm_tf.serving.http.served_model import ServedModel
from mgnm_tf.serving.http.settings import Settings
from mgnm_tf.serving.requests.query import Query


class ServedModels:
    """The exports of a server by name, which is that of their folders.

    Args:
        paths: the export folders; the first one answers where none is named.
        settings: the limits. Defaults to `Settings()`.
        items: how items are shown. Defaults to `None`: by their ids.

    Raises:
        UserError: an export cannot be loaded, or two have the same name.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        settings: Settings | None = None,
        items: Mapping[str, Item] | None = None,
    ):
        self.settings = settings or Settings()
        self.metrics = Metrics()
        names = [Path(path).absolute().name for path in paths]
        for name in names:
            if names.count(name) > 1:
                raise UserError(
                    f"Two exports are named {name!r}, after their folders; "
                    "rename one."
                )
        self._models: dict[str, ServedModel] = {}
        try:
            for name, path in zip(names, paths, strict=True):
                self._models[name] = ServedModel(
                    name, Path(path), self.settings, self.metrics, items or {}
                )
        except BaseException:
            self.close()
            raise
        _set_aside()
        self._stopped = threading.Event()
        self._looking: threading.Thread | None = None

    @property
    def names(self) -> list[str]:
        """The names of the models."""
        return list(self._models)

    def get(self, name: str | None, version: int | None = None) -> ServedModel:
        """Returns a model.

        Args:
            name: its name; `None` for the first one.
            version: the version that must answer. Defaults to `None`: any.

        Raises:
            Refusal: there is no such model or version (404).
        """
        if name is None:
            name = self.names[0]
        model = self._models.get(name)
        if model is None:
            known = ", ".join(self.names)
            raise Refusal(404, f"There is no such model; known: {known}.")
        current = model.current.number
        if version is not None and version != current:
            raise Refusal(
                404, f"There is no such version of {name}; it has {current}."
            )
        return model

    async def ask(self, model: ServedModel, job: Query | Call) -> Any:
        """Waits for the answer to a query or call.

        Args:
            model: who answers.
            job: what is asked.

        Raises:
            Refusal: too many wait (503), or it takes too long (504).
        """
        try:
            future = model.submit(job, asyncio.get_running_loop())
        except QueueFullError:
            raise Refusal(
                503,
                "The server has more requests than it can answer; try again.",
                {"Retry-After": "1"},
            ) from None
        try:
            await asyncio.wait_for(_settled(future), self.settings.timeout)
            return future.result()
        except (asyncio.TimeoutError, TimeoutError):
            raise Refusal(
                504,
                "There was no answer within "
                f"{self.settings.timeout:g} seconds.",
            ) from None

    def look_for_new(self) -> None:
        """Loads new versions of all exports, see `ServedModel`."""
        found = [model.look_for_new() for model in self._models.values()]
        if any(found):
            _set_aside()

    def start(self) -> None:
        """Looks for new versions from now on, in a thread."""
        every = self.settings.check_every
        if not every:
            return

        def look():
            while not self._stopped.wait(every):
                self.look_for_new()

        self._looking = threading.Thread(
            target=look, name="new versions", daemon=True
        )
        self._looking.start()

    def close(self) -> None:
        """Ends all threads, after they have answered what they took."""
        if getattr(self, "_looking", None) is not None:
            self._stopped.set()
        for model in self._models.values():
            model.close()
        gc.unfreeze()


def _settled(future: Future) -> asyncio.Future:
    """Returns what is done when a future is that this loop's thread settles.

    Where it is cancelled, so is the other one.
    """
    here = asyncio.get_running_loop().create_future()

    def tell(_):
        if not here.done():
            here.set_result(None)

    future.add_done_callback(tell)
    here.add_done_callback(lambda one: one.cancelled() and future.cancel())
    return here


def _set_aside() -> None:
    """Has Python's garbage collection pass over all that is there now.

    Every some hundred requests it would look through the ids of all items,
    and nobody is answered meanwhile. What an earlier version has left goes.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
