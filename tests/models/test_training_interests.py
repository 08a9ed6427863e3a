"""The interests that train: those nearest to the positives, or all."""

import json
import zipfile

import keras
import numpy as np
import pytest

from baselines.comirec_dr import ComiRecDR
from baselines.comirec_sa import ComiRecSA
from baselines.mind import MIND
from baselines.timirec.comirec_plus import ComiRecPlus
from tests.baselines import multi_interest as shared
from tests.baselines.multi_interest import FEATURES
from tests.baselines.multi_interest import ROWS
from tests.baselines.multi_interest import randomized

MODELS = [
    pytest.param(MIND, {"fixed_noise": True, "seed": 3}, id="mind"),
    pytest.param(ComiRecDR, {}, id="comirec_dr"),
    pytest.param(ComiRecSA, {}, id="comirec_sa"),
    pytest.param(ComiRecPlus, {}, id="comirec_plus"),
]
SHARED = np.array([2, 9, 4])


def make(cls, options, **more):
    sizes = {"embedding_dim": 5, "num_interests": 3, "max_length": 6}
    return randomized(cls(2, 9, **sizes, **options, **more))


def columns(row):
    """Returns the items that a training step scores in a row."""
    return [*FEATURES["candidates"][row], *SHARED]


def train_scores(model):
    features = {**FEATURES, "shared_negatives": SHARED}
    return np.asarray(model(features, training=True))


@pytest.mark.parametrize("cls, options", MODELS)
def test_the_label_chooses_the_interest(cls, options):
    model = make(cls, options)
    vectors = shared.table(model)
    chosen = set()
    interests = np.asarray(model.interests(FEATURES))
    scores = train_scores(model)
    for row in ROWS:
        positive = vectors[FEATURES["candidates"][row, 0]]
        nearest = int(np.argmax(interests[row] @ positive))
        chosen.add(nearest)
        expected = vectors[columns(row)] @ interests[row, nearest]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-4, atol=1e-5)
    assert len(chosen) > 1
    assert (
        np.abs(
            scores - train_scores(make(cls, options, training_interests="max"))
        ).max()
        > 0.01
    )


@pytest.mark.parametrize("cls, options", MODELS)
def test_max_trains_what_is_served(cls, options):
    model = make(cls, options, training_interests="max")
    features = {**FEATURES, "shared_negatives": SHARED}
    np.testing.assert_array_equal(train_scores(model), model(features))


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_power_of_mind(power):
    model = make(
        MIND, {"fixed_noise": True, "seed": 3}, label_aware_power=power
    )
    vectors = shared.table(model)
    interests = np.asarray(model.interests(FEATURES), "float64")
    scores = train_scores(model)
    for row in ROWS:
        products = interests[row] @ vectors[FEATURES["candidates"][row, 0]]
        powers = np.sign(products) * np.abs(products) ** power
        weights = np.exp(powers - powers.max())
        interest = weights / weights.sum() @ interests[row]
        np.testing.assert_allclose(
            scores[row],
            vectors[columns(row)] @ interest,
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("cls, options", MODELS)
def test_inference_does_not_know_the_option(cls, options):
    models = [
        make(cls, options, training_interests=name) for name in ("label", "max")
    ]
    np.testing.assert_array_equal(*(model(FEATURES) for model in models))


def test_only_the_chosen_interest_has_a_gradient():
    model = make(ComiRecSA, {})
    one = {key: value[:1] for key, value in FEATURES.items()}
    found = shared.gradients(model, one, training=True)["attention/kernel"]
    interests = np.asarray(model.interests(one))[0]
    positive = shared.table(model)[one["candidates"][0, 0]]
    nearest = int(np.argmax(interests @ positive))
    trained = np.abs(found).max(axis=0) > 1e-6
    np.testing.assert_array_equal(trained, np.arange(3) == nearest)


@pytest.mark.parametrize("cls, options", MODELS)
def test_a_file_without_the_option_goes_on_with_max(cls, options, tmp_path):
    model = make(cls, options)
    model.save(tmp_path / "new.keras")
    with (
        zipfile.ZipFile(tmp_path / "new.keras") as new,
        zipfile.ZipFile(tmp_path / "old.keras", "w") as old,
    ):
        for name in new.namelist():
            content = new.read(name)
            if name == "config.json":
                config = json.loads(content)
                del config["config"]["training_interests"]
                config["config"].pop("label_aware_power", None)
                content = json.dumps(config)
            old.writestr(name, content)
    restored = keras.models.load_model(tmp_path / "old.keras")
    assert restored.training_interests == "max"
    np.testing.assert_array_equal(restored(FEATURES), model(FEATURES))
    again = keras.models.load_model(tmp_path / "new.keras")
    assert again.training_interests == "label"
    np.testing.assert_array_equal(train_scores(again), train_scores(model))


@pytest.mark.parametrize("cls, options", MODELS)
def test_wrong_option(cls, options):
    with pytest.raises(ValueError, match="Did you mean 'label'?"):
        make(cls, options, training_interests="labels")
