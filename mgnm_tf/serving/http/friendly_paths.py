"""Paths that answer in words of recommendation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter
from fastapi import Query as Parameter
from fastapi.responses import Response

from mgnm_tf.errors import UserError
from mgnm_tf.serving.answers import Answer
from mgnm_tf.serving.http.bodies import FoundItem
from mgnm_tf.serving.http.bodies import HeatMap
from mgnm_tf.serving.http.bodies import ItemsAnswer
from mgnm_tf.serving.http.bodies import ModelAnswer
from mgnm_tf.serving.http.bodies import ModelsAnswer
from mgnm_tf.serving.http.bodies import RecommendAnswer
from mgnm_tf.serving.http.bodies import RecommendBody
from mgnm_tf.serving.http.bodies import RecommendedItem
from mgnm_tf.serving.http.bodies import SimilarAnswer
from mgnm_tf.serving.http.bodies import SimilarBody
from mgnm_tf.serving.http.bodies import Source
from mgnm_tf.serving.http.item_list import ItemList
from mgnm_tf.serving.http.refusals import refusal
from mgnm_tf.serving.http.served_model import ServedModel
from mgnm_tf.serving.http.served_models import ServedModels
from mgnm_tf.serving.requests.query import Query

_SEARCHED = 200
"""The most characters of a search."""


def friendly_paths(models: ServedModels, has_users: bool = False) -> APIRouter:
    """Returns the paths.

    Args:
        models: who answers.
        has_users: whether there are histories of users to load. Defaults to
            `False`.
    """
    router, settings = APIRouter(), models.settings

    def check_length(name: str, values, most: int) -> None:
        if len(values or ()) > most:
            raise UserError(
                f"`{name}` must have at most {most:,} items. Received: "
                f"{len(values):,}"
            )

    def check_k(k: int) -> None:
        if k > settings.max_items:
            raise UserError(
                f"`k` must be at most {settings.max_items:,}. Received: k={k}"
            )

    @router.post("/recommend", response_model=RecommendAnswer)
    async def recommend(body: RecommendBody):
        """Recommends items to one user."""
        model = models.get(body.model, body.version)
        check_k(body.k)
        check_length("history", body.history, settings.max_history)
        check_length("allow", body.allow, settings.max_listed)
        check_length("deny", body.deny, settings.max_listed)
        query = _query(body)
        number, answer = await models.ask(model, query)
        return _json(_answer_of(model, number, answer, query))

    @router.post("/similar", response_model=SimilarAnswer)
    async def similar(body: SimilarBody):
        """Finds items like an item."""
        model = models.get(body.model, body.version)
        check_k(body.k)

        def find(version):
            ids, cosines = version.similar.to(body.item, body.k)
            return version.number, Answer(ids, cosines)

        number, answer = await models.ask(model, find)
        items = _listed(model.current.items, answer)
        return _json(
            SimilarAnswer(model=model.name, version=number, items=items)
        )

    @router.get("/items")
    def items(
        search: str = Parameter("", max_length=_SEARCHED),
        model: str | None = None,
        limit: int = Parameter(20, ge=1, le=100),
    ) -> ItemsAnswer:
        """Finds items by words of their titles or ids."""
        asked = models.get(model)
        listed = asked.current.items
        found = [
            FoundItem(item=one, title=shown.title, picture=shown.picture)
            for one in listed.search(search, limit)
            for shown in [listed.show(one)]
        ]
        return ItemsAnswer(model=asked.name, items=found)

    @router.get("/models")
    async def all_models() -> ModelsAnswer:
        """Tells which models there are."""
        return ModelsAnswer(
            models=[_description(models.get(name)) for name in models.names],
            max_items=settings.max_items,
            has_users=has_users,
        )

    @router.get("/healthz")
    async def healthz():
        """Tells that the server runs."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz():
        """Tells whether requests are taken now: 503 while the queue is full."""
        full = [
            name
            for name in models.names
            if models.get(name).waiting >= settings.max_waiting
        ]
        if full:
            return refusal(503, f"The queue of {full[0]} is full.")
        versions = {
            name: models.get(name).current.number for name in models.names
        }
        return {"status": "ready", "versions": versions}

    @router.get("/metrics")
    async def metrics():
        """Counters in the form of Prometheus."""
        return Response(
            models.metrics.text(),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    return router


def _json(answer):
    # FastAPI would check the answer a second time.
    content = answer.model_dump_json(exclude_none=True)
    return Response(content, media_type="application/json")


def _query(body: RecommendBody) -> Query:
    return Query(
        history=body.history,
        user=body.user,
        k=body.k,
        exclude_seen=body.exclude_seen,
        times=body.times,
        time=body.time,
        diversity=body.diversity,
        allow=None if body.allow is None else frozenset(body.allow),
        deny=frozenset(body.deny),
        categories=None
        if body.categories is None
        else frozenset(body.categories),
        explain=body.explain,
    )


def _answer_of(
    model: ServedModel, number: int, answer: Answer, query: Query
) -> RecommendAnswer:
    items = _listed(model.current.items, answer)
    heat_map, reasons = None, answer.reasons
    if reasons is not None:
        heat_map = HeatMap(
            levels=reasons.levels.tolist(),
            interests=reasons.interests.tolist(),
            history=list(query.history),
            attention=np.round(reasons.attention, 4).tolist(),
        )
    return RecommendAnswer(
        model=model.name, version=number, items=items, heat_map=heat_map
    )


def _listed(items: ItemList, answer: Answer) -> list[RecommendedItem]:
    listed = []
    for place, (one, score) in enumerate(
        zip(answer.ids, answer.scores, strict=True)
    ):
        shown = items.show(one)
        item = RecommendedItem(
            item=one, title=shown.title, picture=shown.picture, score=score
        )
        if answer.reasons is not None:
            reason = answer.reasons.items[place]
            item.level, item.interest = reason.level, reason.interest
            item.sources = [
                Source(item=name, share=share) for name, share in reason.sources
            ]
        listed.append(item)
    return listed


def _description(model: ServedModel) -> ModelAnswer:
    version = model.current
    recommender = version.recommender
    metadata = recommender.metadata
    count = count_interests(metadata)
    return ModelAnswer(
        name=model.name,
        version=version.number,
        kind=metadata["model"],
        num_items=recommender.num_items,
        max_length=metadata["max_length"],
        reads_times=metadata["reads_times"],
        # An export of an earlier version does not say.
        reads_users=metadata.get("reads_users", True),
        has_categories=recommender.vocabularies.item_categories is not None,
        num_interests=count,
        explains=bool(count) and not metadata["reads_times"],
        has_vectors=getattr(recommender.served, "item_table", None) is not None,
    )


def count_interests(metadata: Mapping[str, Any]) -> int:
    """Returns how many interests of a model are told; 0 for fewer than two.

    Args:
        metadata: the content of `export.json`.
    """
    signatures = metadata["signatures"]
    # Of a model that mixes interests, those that it mixes.
    mixed = signatures.get("interest_distribution")
    outputs = (mixed or signatures.get("interests") or {}).get("outputs", {})
    return outputs["level"]["shape"][0] if "level" in outputs else 0
