"""What the friendly paths take and give."""

from typing import Annotated
from typing import Any

from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import StrictBool
from pydantic import StrictInt
from pydantic import StringConstraints

from mgnm_tf.serving.http.settings import MAX_ID


def _text(value: Any) -> Any:
    """Writes whole numbers as text, as ids are in an export."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


Id = Annotated[
    str,
    StringConstraints(max_length=MAX_ID),
    BeforeValidator(_text, json_schema_input_type=str | int),
]
"""An id: text, or a whole number, which is read as text."""
Seconds = Annotated[StrictInt, Field(ge=-(1 << 62), le=1 << 62)]


class _Body(BaseModel):
    # A field that is misspelt is not passed over.
    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model: str | None = Field(
        None, description="The model; the first one of the server if not given."
    )
    version: StrictInt | None = Field(
        None, description="The version that must answer; if not given, any."
    )


class RecommendBody(_Body):
    """A request for recommendations to one user."""

    user: Id = Field(
        "", description="Id of the user; an unknown one is the mean user."
    )
    history: list[Id] = Field(
        description="Items of the user, oldest first; may be empty."
    )
    times: list[Seconds] | None = Field(
        None,
        description="Second of each item; orders the history. Needed where "
        "the model reads times.",
    )
    time: Seconds | None = Field(
        None,
        description="Second of the recommendation, where the model reads "
        "times; that of the last item if not given.",
    )
    k: StrictInt = Field(20, description="Number of items.", ge=1)
    exclude_seen: StrictBool = Field(
        True, description="Whether items of the history are left out."
    )
    allow: list[Id] | None = Field(
        None, description="The items that may be recommended."
    )
    deny: list[Id] = Field([], description="Items that may not be recommended.")
    categories: list[Annotated[StrictInt, Field(ge=1)]] | None = Field(
        None,
        description="The categories that may be recommended, as numbers of "
        "`vocabulary/item_categories.txt`.",
    )
    diversity: float = Field(
        0.0,
        description="Weight of the difference between the items.",
        ge=0,
        le=1e9,
        allow_inf_nan=False,
    )
    explain: StrictBool = Field(
        False,
        description="Whether to tell the interest, level and items of the "
        "history behind each item.",
    )


class SimilarBody(_Body):
    """A request for items like an item."""

    item: Id = Field(description="Id of an item that the model knows.")
    k: StrictInt = Field(20, description="Number of items.", ge=1)


class Source(BaseModel):
    """An item of the history that feeds an interest."""

    item: str
    share: float


class RecommendedItem(BaseModel):
    """An item of a list."""

    item: str
    title: str
    picture: str
    score: float
    level: int | None = Field(
        default=None, description="Of the interest behind it."
    )
    interest: int | None = Field(
        default=None, description="Its number in the level."
    )
    sources: list[Source] | None = None


class HeatMap(BaseModel):
    """What each item of the history feeds each interest with."""

    levels: list[int] = Field(description="Level of each interest.")
    interests: list[int] = Field(description="Number of each interest.")
    history: list[str]
    attention: list[list[float]] = Field(description="Interests x history.")


class RecommendAnswer(BaseModel):
    """Recommendations to one user, best first."""

    model: str
    version: int
    items: list[RecommendedItem]
    heat_map: HeatMap | None = Field(
        None, description="With `explain`, from models with several interests."
    )


class SimilarAnswer(BaseModel):
    """Items like an item; the score is the cosine of their vectors."""

    model: str
    version: int
    items: list[RecommendedItem]


class FoundItem(BaseModel):
    """An item that was searched for."""

    item: str
    title: str
    picture: str


class ItemsAnswer(BaseModel):
    """Items that were searched for, the most frequent first."""

    model: str
    items: list[FoundItem]


class ModelAnswer(BaseModel):
    """What a model can do."""

    name: str
    version: int
    kind: str = Field(description="The class of the model.")
    num_items: int
    max_length: int
    reads_times: bool
    reads_users: bool = Field(description="Whether an id of a user matters.")
    has_categories: bool
    num_interests: int = Field(description="0 for fewer than two.")
    explains: bool
    has_vectors: bool


class ModelsAnswer(BaseModel):
    """The models of the server, the first one is the default."""

    models: list[ModelAnswer]
    max_items: int
    has_users: bool = Field(description="Whether `/history` can be asked.")
