"""Test: records a second, each ranked among 1 + 1,000 candidates."""

import keras

from benchmarks.data import load_data
from benchmarks.measure import memory_into
from benchmarks.measure import speeds
from benchmarks.settings import Settings
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.evaluation.ranking import RankingModel
from mgnm_tf.models.base import SequentialRecommender
from mgnm_tf.models.statistical import StatisticalRecommender
from mgnm_tf.training.build import make_model

NEGATIVES = 1000


def run(settings: Settings) -> dict[str, dict]:
    """Measures every model.

    Returns:
        label -> `records_per_second` and memory.
    """
    data = load_data(settings)
    return {
        label: measure_test(fresh_model(label, data, settings), data, settings)
        for label in settings.labels()
    }


def fresh_model(
    label: str, data: SequenceDataset, settings: Settings
) -> SequentialRecommender:
    """Returns a model that has not trained; one that counts has counted."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    model = make_model(data, settings.config(label))
    if isinstance(model, StatisticalRecommender):
        batches = make_dataset(
            data, max_length=settings.max_length, negatives=0
        )
        model.fit(batches, verbose=0)
    return model


def measure_test(
    model: SequentialRecommender, data: SequenceDataset, settings: Settings
) -> dict:
    """Measures a model on the test part, ranking included."""
    rows = model.max_batch_size(256, 1 + NEGATIVES)
    ranking = RankingModel(model)
    batches = make_dataset(
        data,
        "test",
        batch_size=rows,
        max_length=settings.max_length,
        negatives=NEGATIVES,
        features=tuple(model.required_features),
    )
    return measure_ranking(ranking, batches, rows, settings)


def measure_ranking(ranking, batches, rows: int, settings: Settings) -> dict:
    """Measures `predict` of a `RankingModel` over endless batches."""
    report, endless = {}, batches.repeat()

    def rank(steps):
        ranking.predict(endless, steps=steps, verbose=0)

    with memory_into(report):
        report["records_per_second"] = speeds(
            rank, rows, settings.windows, settings.seconds
        )
    return report
