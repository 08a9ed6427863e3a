"""The application of a server: paths, guards, refusals."""

from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from mgnm_tf.serving.http import refusals
from mgnm_tf.serving.http.friendly_paths import friendly_paths
from mgnm_tf.serving.http.guards import SizeLimit
from mgnm_tf.serving.http.guards import TokenGuard
from mgnm_tf.serving.http.guards import Watch
from mgnm_tf.serving.http.page_path import page_path
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.tensorflow_serving import tensorflow_serving_paths
from mgnm_tf.serving.http.user_histories import UserHistories
from mgnm_tf.serving.http.user_paths import user_paths
from mgnm_tf.version import __version__


def create_application(
    models: ServedModels, histories: UserHistories | None = None
) -> FastAPI:
    """Makes an ASGI application.

    It looks for new versions while it runs, and answers what it took before
    it ends.

    Args:
        models: who answers.
        histories: histories of users that the page offers. Defaults to
            `None`: there are none.
    """

    @asynccontextmanager
    async def lifespan(_):
        models.start()
        yield
        models.close()

    # The pages of the usual class fetch their script from elsewhere.
    app = FastAPIOffline(
        redoc_url=None,
        title="mgnm serve",
        version=__version__,
        summary="Recommendations from exported models.",
        lifespan=lifespan,
    )
    refusals.install(app)
    app.include_router(page_path())
    app.include_router(friendly_paths(models, histories is not None))
    if histories is not None:
        app.include_router(user_paths(models, histories))
    app.include_router(tensorflow_serving_paths(models))
    settings = models.settings
    # The last one is met first.
    app.add_middleware(SizeLimit, max_body=settings.max_body)
    if settings.token is not None:
        app.add_middleware(TokenGuard, token=settings.token)
    app.add_middleware(Watch, metrics=models.metrics)
    return app
