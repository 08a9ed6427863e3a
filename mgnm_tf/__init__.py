"""Sequential recommendation with many interests at many granularities.

The names below are loaded when they are first used, so that
`import mgnm_tf` and the help of the command line load neither TensorFlow nor
Keras.
"""

from importlib import import_module

from mgnm_tf.utils.versions import check_versions
from mgnm_tf.version import __version__ as __version__

_HOMES = {
    "MGNM": "mgnm_tf.models.mgnm",
    "SequentialRecommender": "mgnm_tf.models.base",
    "create_model": "mgnm_tf.models.registry",
    "load_model": "mgnm_tf.models.loading",
    "model_class": "mgnm_tf.models.registry",
    "model_names": "mgnm_tf.models.registry",
    "BayesianPersonalizedRanking": "mgnm_tf.losses",
    "SampledSoftmax": "mgnm_tf.losses",
    "GeneralizedCrossEntropy": "mgnm_tf.losses",
    "SigmoidCrossEntropy": "mgnm_tf.losses",
    "GroupAUC": "mgnm_tf.metrics",
    "HitRate": "mgnm_tf.metrics",
    "MRR": "mgnm_tf.metrics",
    "NDCG": "mgnm_tf.metrics",
    "LazyAdam": "mgnm_tf.optimizers",
    "InteractionLog": "mgnm_tf.data.log",
    "read_log": "mgnm_tf.data.log",
    "SequenceDataset": "mgnm_tf.data.dataset",
    "split_log": "mgnm_tf.data.steps.splits",
    "prepare": "mgnm_tf.data.prepare",
    "prepare_recipe": "mgnm_tf.data.recipe",
    "make_world": "mgnm_tf.data.synthetic",
    "make_dataset": "mgnm_tf.data.batches.pipeline",
    "make_tables": "mgnm_tf.data.tables.make_tables",
    "make_model": "mgnm_tf.training.build",
    "Protocol": "mgnm_tf.evaluation.protocol",
    "Evaluation": "mgnm_tf.evaluation.evaluation",
    "evaluate": "mgnm_tf.evaluation.evaluate",
    "Recipe": "mgnm_tf.recipes.recipe",
    "Run": "mgnm_tf.front_door",
    "TrainConfig": "mgnm_tf.runs.config",
    "configure": "mgnm_tf.runs.config",
    "train": "mgnm_tf.front_door",
    "tune": "mgnm_tf.training.tune",
    "compare": "mgnm_tf.studies.compare",
}
"""The public names and the modules that they live in."""

__all__ = ["__version__", *_HOMES]

check_versions()


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
