"""Test: records a second, each ranked in the whole catalogue."""

from benchmarks.ceiling import Ceiling
from benchmarks.data import load_data
from benchmarks.evaluate import fresh_model
from benchmarks.evaluate import measure_ranking
from benchmarks.measure import significant
from benchmarks.settings import Settings
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.models.base import SequentialRecommender

CHUNK_SIZE = 2048


def run(settings: Settings) -> dict[str, dict]:
    """Measures every model.

    Returns:
        label -> `records_per_second` and memory; where scores are products
        of interests and items also the share of the matrix-product ceiling
        that these products alone reach.
    """
    data = load_data(settings)
    return {
        label: measure_catalogue(
            fresh_model(label, data, settings), data, settings
        )
        for label in settings.labels()
    }


def measure_catalogue(
    model: SequentialRecommender, data: SequenceDataset, settings: Settings
) -> dict:
    """Measures a model on the test part, against all items."""
    chunk = min(CHUNK_SIZE, data.num_items + 1)
    rows = model.max_batch_size(256, chunk)
    batches = make_dataset(
        data,
        "test",
        batch_size=rows,
        max_length=settings.max_length,
        negatives=0,
        features=(*model.required_features, "excluded"),
    )
    ranking = RankingModel(model, True, chunk)
    report = {"items": data.num_items}
    report |= measure_ranking(ranking, batches, rows, settings)
    flops = flops_of_products(model, batches)
    if flops:
        ceiling = Ceiling(settings).measure()
        reached = report["records_per_second"]["median"] * flops / 1e9
        report["ceiling_gflops"] = significant(ceiling)
        report["share_of_ceiling_percent"] = significant(
            100 * reached / ceiling
        )
    return report


def flops_of_products(model: SequentialRecommender, batches) -> int | None:
    """Counts the FLOPs of the products of a record's interests and all items.

    Returns:
        2 n d M for n interests of width d and M items; `None` for a model
        that scores in another way.
    """
    if "interests" not in model.capabilities:
        return None
    features, _ = next(iter(batches))
    _, count, dim = model.interests(features).shape
    return 2 * count * dim * model.num_items
