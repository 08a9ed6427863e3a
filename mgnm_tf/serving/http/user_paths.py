"""Paths that tell histories of users, for the page."""

from fastapi import APIRouter
from fastapi import Query as Parameter
from pydantic import BaseModel

from mgnm_tf.serving.http.refusals import Refusal
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.http.settings import MAX_ID
from mgnm_tf.serving.http.user_histories import UserHistories

_SHOWN = 100
"""The newest items of a history that are told."""


class UsersAnswer(BaseModel):
    """Ids of users."""

    users: list[str]


class Event(BaseModel):
    """An item of a history."""

    item: str
    title: str
    time: int | None = None


class HistoryAnswer(BaseModel):
    """The history of a user, oldest first."""

    user: str
    items: list[Event]


def user_paths(models: ServedModels, histories: UserHistories) -> APIRouter:
    """Returns the paths.

    Args:
        models: the models, of which the first one shows the items.
        histories: what is told.
    """
    router = APIRouter()

    @router.get("/users")
    def users(
        search: str = Parameter("", max_length=MAX_ID),
        limit: int = Parameter(12, ge=1, le=100),
    ) -> UsersAnswer:
        """Finds users by the beginning of their ids."""
        return UsersAnswer(users=histories.search(search, limit))

    @router.get("/history")
    def history(user: str = Parameter(max_length=MAX_ID)) -> HistoryAnswer:
        """Tells the newest items of a user."""
        found = histories.of(user, _SHOWN)
        if found is None:
            raise Refusal(404, "There is no history of such a user.")
        items, times = found
        listed = models.get(None).current.items
        events = [
            Event(
                item=one,
                title=listed.show(one).title,
                time=None if times is None else times[place],
            )
            for place, one in enumerate(items)
        ]
        return HistoryAnswer(user=user, items=events)

    return router
