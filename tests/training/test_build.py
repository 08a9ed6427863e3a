import logging

import keras
import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.errors import DataError
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import evaluate
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.losses import get_loss
from mgnm_tf.models.mgnm import MGNM
from mgnm_tf.models.recipe_optimizer import OPTIMIZERS
from mgnm_tf.models.registry import complete_recipe
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.optimizers import L2Adam
from mgnm_tf.recipes.toml import format_values
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.config import configure
from mgnm_tf.training import build
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture(scope="module")
def order():
    """The same events of which only the order is known."""
    small = small_data()
    ranks = np.arange(len(small.items)) - small.offsets[small.sequences]
    table = {
        "user_id": np.asarray(small.sequences),
        "item_id": np.asarray(small.items),
        "timestamp": ranks + 1,
    }
    return split_log(read_log(pd.DataFrame(table)))


@pytest.fixture(scope="module")
def returns():
    """A user who goes back to an item in the validation part."""
    table = {
        "user_id": [1] * 6 + [2] * 2,
        "item_id": [1, 2, 3, 4, 4, 5, 5, 6],
        "timestamp": [*range(6), *range(2)],
    }
    return split_log(read_log(pd.DataFrame(table)))


@pytest.mark.parametrize(
    "batches, execution, expected",
    [
        (100, None, (5, 100)),
        (5000, None, (20, 5000)),
        (7, None, (1, 7)),
        (16, 3, (3, 15)),
        (17, 3, (3, 18)),
        (2, 10, (2, 2)),
    ],
)
def test_steps_are_whole_executions(batches, execution, expected):
    assert build.steps_of(batches, execution) == expected


def test_a_model_gets_what_follows_from_data_and_run(data):
    config = TrainConfig(model="mgnm", options={"l2": 0.0}, max_length=7)
    model = build.make_model(data, config)
    assert (model.max_length, model.l2) == (7, 0.0)
    assert (model.num_users, model.num_items) == (60, data.num_items)
    assert model.data_fingerprint == data.fingerprint
    surge = build.make_model(data, "surge")
    assert surge.num_categories == data.num_categories > 0
    tgsrec = build.make_model(data, "tgsrec")
    assert tgsrec.num_events == int((data.parts == 0).sum())


@pytest.mark.parametrize("name", model_names())
def test_a_printed_recipe_makes_the_same_model(data, name, tmp_path):
    path = tmp_path / "printed.toml"
    path.write_text(format_values(*complete_recipe(name)))
    config = configure(path)
    assert config.recipe == f"{name}, {path}"
    made = build.make_model(data, config).get_config()
    expected = build.make_model(data, name).get_config()
    del made["name"], expected["name"]
    assert made == expected


def test_a_recipe_makes_a_model_of_its_own_class_alone(data):
    model = MGNM.from_recipe(data, "mgnm+without_graph", num_interests=2)
    assert (model.embedding_dim, model.num_layers) == (64, 0)
    assert (model.num_interests, model.max_length) == (2, 20)
    with pytest.raises(UserError, match="sasrec is a recipe of SASRec, not of"):
        MGNM.from_recipe(data, "sasrec")


@pytest.mark.parametrize(
    "label", ["mgnm", "mgnm:paper", "sasrec:timirec_paper", "niser_plus"]
)
@pytest.mark.parametrize("how", ["make_model", "from_recipe"])
def test_compile_alone_is_that_of_the_recipe(data, label, how):
    recipe = configure(label)
    if how == "make_model":
        model = build.make_model(data, label)
    else:
        model = model_class(recipe.model).from_recipe(data, label)
    model.compile()
    expected = recipe.optimizer
    assert type(model.optimizer) is (
        L2Adam if expected.l2 else OPTIMIZERS[expected.name]
    )
    rate = float(model.optimizer.learning_rate)
    assert rate == pytest.approx(expected.learning_rate)
    assert model.optimizer.weight_decay == (expected.weight_decay or None)
    assert type(model.loss) is type(get_loss(recipe.objective, 9))


def test_compile_takes_what_is_given_and_the_paper_without_a_recipe(data):
    model = build.make_model(data, "mgnm")
    model.compile(loss=get_loss("bpr"))
    assert model.loss.name == "bpr"
    assert float(model.optimizer.learning_rate) == pytest.approx(0.006)
    model.compile(OPTIMIZERS["sgd"](0.5))
    assert model.loss.name == "sampled_softmax"
    assert float(model.optimizer.learning_rate) == 0.5
    model = MGNM(data.num_users, data.num_items)
    model.compile()
    assert model.loss.name == "sigmoid_cross_entropy"
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_made_with_rate_and_decay(data, name):
    config = configure(
        "gru4rec:mgnm_paper",
        optimizer=name,
        learning_rate=0.5,
        weight_decay=0.25,
    )
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    assert float(model.optimizer.learning_rate) == 0.5
    assert model.optimizer.weight_decay == 0.25
    assert name.replace("_", "") in type(model.optimizer).__name__.lower()


def test_training_measures_every_cut_off_and_that_of_the_monitor(data):
    config = configure("gru4rec", k=(10, 20), monitor="val_hit@3")
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    _, validation = build.make_batches(model, data, config)
    found = model.evaluate(validation, verbose=0, return_dict=True)
    expected = {f"{n}@{k}" for n in ("ndcg", "hit", "mrr") for k in (3, 10, 20)}
    assert set(found) == {"loss", "gauc", *expected}


def test_the_history_length_is_that_of_the_training(data):
    config = TrainConfig(model="mgnm", options={"max_length": 7})
    with pytest.raises(UserError, match="an option of the training"):
        build.make_model(data, config)


def test_a_model_holds_the_categories_of_the_data(data):
    config = TrainConfig(model="surge", options={"category_dim": 4})
    model = build.make_model(data, config)
    np.testing.assert_array_equal(
        model.item_embedding.item_categories, data.item_categories
    )
    plain = build.make_model(data, TrainConfig(model="surge"))
    assert plain.required_tables == ()


def test_categories_are_asked_of_data_without(order):
    config = TrainConfig(model="surge", options={"category_dim": 4})
    with pytest.raises(UserError, match="Model surge: `category_dim` needs"):
        build.make_model(order, config)


def test_slirec_does_without_times_and_says_so(order, data, caplog):
    with caplog.at_level(logging.WARNING):
        model = build.make_model(order, TrainConfig(model="slirec"))
    assert "have no timestamps: it is trained without" in caplog.text
    assert not model.use_time
    assert model.required_features == ()
    assert build.make_model(data, TrainConfig(model="slirec")).use_time


def test_tgsrec_needs_times(order):
    with pytest.raises(
        DataError, match="the data have no timestamps, only the"
    ):
        build.make_model(order, TrainConfig(model="tgsrec"))


def test_shared_negatives_for_a_model_of_pairs_are_refused(data):
    config = TrainConfig(model="surge", objective="sampled_softmax")
    model = build.make_model(data, config)
    with pytest.raises(UserError, match="a batch of 256 with 1,001 cand"):
        build.compile_model(model, data, config)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (
            {"batch_size": 1000},
            r"6,000\. Give it a batch_size of at most 873\.",
        ),
        (
            {"batch_size": 1000, "shared_negatives": 50, "negatives": 0},
            "shared_negatives=0 and negatives=10, and a batch_size of at most "
            r"476\.",
        ),
        (
            {"shared_negatives": 50, "negatives": 0},
            r"for example shared_negatives=0 and negatives=10\.",
        ),
        ({"negatives": 6000}, r"fewer negatives, or a smaller model\."),
    ],
)
def test_the_cure_of_too_many_pairs_is_one(data, options, remedy):
    config = TrainConfig(model="tgsrec", **options)
    model = build.make_model(data, config)
    assert model.max_pairs == 5242
    with pytest.raises(UserError, match=remedy):
        build.compile_model(model, data, config)
    if "batch_size" in options:
        cured = config.model_copy(
            update={"batch_size": 476, "negatives": 10, "shared_negatives": 0}
        )
        build.compile_model(model, data, cured)


def test_a_cosine_ends_at_a_twentieth_of_the_rate_with_the_last_epoch(data):
    config = configure(
        "gru4rec",
        learning_rate=0.5,
        learning_rate_schedule="cosine",
        epochs=3,
        batch_size=64,
    )
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    batches = -(-len(data.positions("train")) // 64)
    _, steps = build.steps_of(batches, None)
    rates = [0.5, 0.5 * (1 + 0.05) / 2, 0.025, 0.025]
    for step, rate in zip((0, 1.5, 3, 4), rates, strict=True):
        model.optimizer.iterations.assign(round(step * steps))
        found = float(model.optimizer.learning_rate)
        np.testing.assert_allclose(found, rate, rtol=0.05)


def test_a_step_schedule_falls_with_the_epochs(data):
    config = configure(
        "gru4rec",
        learning_rate=0.5,
        learning_rate_schedule="step",
        step_epochs=2,
        schedule_decay=0.5,
        schedule_shift=1,
        batch_size=64,
    )
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    batches = -(-len(data.positions("train")) // 64)
    _, steps = build.steps_of(batches, None)
    for epoch, rate in enumerate([0.5, 0.25, 0.25, 0.125]):
        model.optimizer.iterations.assign(epoch * steps)
        assert float(model.optimizer.learning_rate) == rate


def test_an_l2_term_spares_the_variables_that_are_named(data):
    config = configure(
        "gru4rec:mgnm_paper",
        optimizer="adam",
        optimizer_l2=0.25,
        decay_exclude="bias,gamma",
        amsgrad=True,
        optimizer_epsilon=1e-3,
    )
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    optimizer = model.optimizer
    assert isinstance(optimizer, L2Adam)
    assert (optimizer.l2, optimizer.exclude) == (0.25, ("bias", "gamma"))
    assert (optimizer.amsgrad, optimizer.epsilon) == (True, 1e-3)
    assert optimizer.weight_decay is None
    again = TrainConfig.from_dict(config.to_dict())
    assert again == config


def test_decay_spares_the_variables_that_are_named(data):
    config = configure(
        "gru4rec:mgnm_paper",
        optimizer="adamw",
        weight_decay=0.25,
        decay_exclude=("bias",),
    )
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    kinds = {
        (variable.name, model.optimizer._use_weight_decay(variable))
        for variable in model.trainable_variables
    }
    assert ("bias", False) in kinds and ("bias", True) not in kinds
    assert ("embeddings", True) in kinds
    assert model.optimizer.epsilon == 1e-7


def test_gbce_learns_with_the_catalogue_of_the_data(data):
    config = TrainConfig(
        model="youtube_dnn", objective="gbce", shared_negatives=9
    )
    assert config.negatives == 0
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    assert model.loss.num_items == data.num_items
    batches = build.make_batches(model, data, config)[0]
    losses = model.fit(
        batches, steps_per_epoch=10, epochs=3, shuffle=False, verbose=0
    )
    assert losses.history["loss"][-1] < losses.history["loss"][0]


@pytest.mark.parametrize("name", ["youtube_dnn", "comirec_sa", "mgnm"])
def test_the_softmax_is_over_all_items(data, name):
    config = TrainConfig(model=name, objective="softmax", batch_size=16)
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    assert model.loss.name == "softmax"
    features, labels = next(iter(build.make_batches(model, data, config)[0]))
    every = np.tile(np.arange(1, data.num_items + 1), (16, 1))
    positive = features["candidates"][:, 0].numpy()
    # With the positive in front, for those that look at it.
    candidates = np.concatenate([positive[:, None], every], axis=1)
    alone = {key: features[key] for key in ("user", "history")}
    keras.utils.set_random_seed(3)
    scores = model({**alone, "candidates": candidates}, training=True)
    logits = np.asarray(scores, "float64")[..., 1:]
    logits = logits.reshape(16, -1, data.num_items)
    total = np.log(np.exp(logits).sum(axis=-1))
    own = np.take_along_axis(logits, positive[:, None, None] - 1, axis=-1)
    expected = (total - own[..., 0]).sum(axis=1).mean()
    keras.utils.set_random_seed(3)
    found = model.loss(labels, model(features, training=True))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_positives_are_all_that_a_model_of_one_vector_needs(data, monkeypatch):
    monkeypatch.setattr(build, "_MOST_SCORES", 200)
    config = TrainConfig(model="mind", objective="softmax", batch_size=16)
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    features, labels = next(iter(build.make_batches(model, data, config)[0]))
    assert "shared_negatives" not in features
    assert features["candidates"].shape == labels.shape == (16, 1)
    # Another objective looks at the scores of all items.
    config = TrainConfig(
        model="mind", objective="bce", negatives="all", batch_size=16
    )
    features, labels = next(iter(build.make_batches(model, data, config)[0]))
    assert labels.shape == (16, 1 + data.num_items)


def test_the_softmax_learns(data):
    config = TrainConfig(model="youtube_dnn", objective="softmax")
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    batches = build.make_batches(model, data, config)[0]
    losses = model.fit(
        batches, steps_per_epoch=10, epochs=3, shuffle=False, verbose=0
    ).history["loss"]
    np.testing.assert_allclose(losses[0], np.log(data.num_items), rtol=0.1)
    assert losses[-1] < losses[0]


def test_all_items_for_a_model_of_pairs_are_refused(data):
    config = TrainConfig(model="surge", objective="softmax")
    model = build.make_model(data, config)
    message = (
        "with 120 candidates.*objective=sampled_softmax, shared_negatives=0"
    )
    with pytest.raises(UserError, match=message):
        build.compile_model(model, data, config)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (4 * 120 * 99, "give a batch_size of at most 99, or objective=sampled"),
        (4 * 119, "batch_size of 256; give objective=sampled_softmax"),
    ],
)
def test_all_items_that_fill_the_memory_are_refused(
    data, limit, message, monkeypatch
):
    monkeypatch.setattr(build, "_MOST_SCORES", limit)
    # Each of the interests scores all items.
    options = {"training_interests": "max"}
    config = TrainConfig(
        model="comirec_sa", objective="softmax", options=options
    )
    model = build.make_model(data, config)
    assert model.num_interests == 4
    with pytest.raises(UserError, match=message):
        build.compile_model(model, data, config)
    sampled = TrainConfig(model="comirec_sa", objective="sampled_softmax")
    build.compile_model(model, data, sampled)


@pytest.mark.parametrize(
    ("name", "exclude"),
    [
        ("gru4rec", "history"),
        ("gru4rec", "user"),
        ("gru4rec", "none"),
        ("mgnm", "history"),
        ("surge", "none"),
    ],
)
@pytest.mark.usefixtures("eagerly")
def test_validation_can_rank_the_whole_catalogue(
    data, name, exclude, monkeypatch
):
    monkeypatch.setattr(build, "_MOST_SCORES", 4 * 4 * 120 * 20)
    config = TrainConfig(
        model=name,
        validation_negatives="all",
        validation_exclude=exclude,
        max_length=8,
    )
    model = build.make_model(data, config)
    build.compile_model(model, data, config)
    _, validation = build.make_batches(model, data, config)
    if name == "mgnm":
        assert [len(labels) for _, labels in validation] == [20, 20, 20]
    found = model.evaluate(validation, verbose=0, return_dict=True)
    protocol = Protocol(
        part="validation", negatives="all", exclude=exclude, max_length=8
    )
    expected = evaluate(model, data, protocol).metrics()
    for metric in ("ndcg@5", "hit@5", "mrr@5", "gauc"):
        np.testing.assert_allclose(found[metric], expected[metric], rtol=1e-3)


@pytest.mark.parametrize("exclude", ["history", "user", "none"])
@pytest.mark.parametrize("negatives", ["all", 100])
def test_validation_excludes_what_the_recipe_says(returns, negatives, exclude):
    """By hand: 4 is seen, and clicked again in the validation part."""
    config = TrainConfig(
        model="gru4rec",
        validation_negatives=negatives,
        validation_exclude=exclude,
        max_length=2,
    )
    model = build.make_model(returns, config)
    _, validation = build.make_batches(model, returns, config)
    ((features, labels),) = validation
    assert features["history"].numpy().tolist() == [[3, 4]]
    assert features["candidates"][0, 0] == 4 and labels[0, 0] == 1.0
    # Of six items, clicked 1, 2, 3, 4 | 4.
    ranked = {"history": {1, 2, 5, 6}, "user": {5, 6}, "none": {1, 2, 3, 5, 6}}
    if negatives == "all":
        items = features["shared_negatives"].numpy()
        drawn = labels[0, 1:].numpy()
        assert set(drawn) == {-1.0, 0.0}
    else:
        items = features["candidates"][0, 1:].numpy()
        drawn = labels[0, 1:].numpy()
        assert set(drawn) == {0.0}
    assert set(items[drawn == 0.0]) == ranked[exclude]


def test_learned_numbers_are_counted_without_tables(data):
    model = build.make_model(data, TrainConfig(model="tgsrec"))
    learned = sum(np.prod(w.shape) for w in model.trainable_weights)
    assert build.count_parameters(model) == learned < model.count_params()
    gru = build.make_model(data, TrainConfig(model="gru4rec"))
    assert build.count_parameters(gru) == gru.count_params()


def test_validation_has_as_many_pairs_as_the_model_can_hold(data):
    config = TrainConfig(model="surge", validation_negatives=900)
    model = build.make_model(data, config)
    training, validation = build.make_batches(model, data, config)
    rows = next(iter(validation))[1].shape[0]
    assert rows == max(1, min(60, model.max_pairs // 901)) < 60
    assert next(iter(training))[1].shape == (256, 6)
    keras.backend.clear_session()


def test_a_model_without_its_tables_does_not_train(data):
    config = TrainConfig(model="surge", options={"category_dim": 4})
    model = build.make_model(data, config)
    bare = type(model).from_config(model.get_config())
    build.compile_model(bare, data, config)
    bare.run_eagerly = True
    training, _ = build.make_batches(bare, data, config)
    with pytest.raises(ValueError, match="SURGE reads tables of the data"):
        bare.fit(training, steps_per_epoch=1, shuffle=False, verbose=0)
    bare.load_tables({"item_categories": data.item_categories})
    bare.fit(training, steps_per_epoch=1, shuffle=False, verbose=0)


@pytest.mark.parametrize("exclude", ["history", "user", "none"])
def test_training_excludes_what_the_recipe_says(returns, exclude):
    """By hand: one trains on 1, 2, 3, 4, the other one on 5, 6, of six."""
    config = TrainConfig(
        model="gru4rec",
        negatives=100,
        training_exclude=exclude,
        max_length=1,
    )
    model = build.make_model(returns, config)
    training, _ = build.make_batches(model, returns, config)
    features, _ = next(iter(training))
    rows = {
        int(row[0]): set(row[1:].tolist())
        for row in features["candidates"].numpy()
    }
    expected = {
        2: {"history": {3, 4, 5, 6}, "user": {5, 6}, "none": {1, 3, 4, 5, 6}},
        3: {"history": {1, 4, 5, 6}, "user": {5, 6}, "none": {1, 2, 4, 5, 6}},
        4: {"history": {1, 2, 5, 6}, "user": {5, 6}, "none": {1, 2, 3, 5, 6}},
        6: {
            "history": {1, 2, 3, 4},
            "user": {1, 2, 3, 4},
            "none": {1, 2, 3, 4, 5},
        },
    }
    assert rows == {key: sets[exclude] for key, sets in expected.items()}


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "comirec_sa"])
def test_the_first_values_of_the_timirec_paper(data, name):
    """Tables and dense layers are small, whatever the model begins with."""
    config = configure(f"{name}:timirec_paper")
    model = build.make_model(data, config)
    dense = [
        weight
        for weight in model.trainable_weights
        if "gru" not in weight.path and "norm" not in weight.path
    ]
    values = np.concatenate([np.ravel(weight) for weight in dense])
    assert np.std(values) == pytest.approx(0.01, rel=0.02)
    assert all(np.any(weight) for weight in dense)
    plain = build.make_model(data, configure(name))
    assert np.std(plain.item_embedding.embeddings) > 0.02
