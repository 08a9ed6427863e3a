"""Runs that go on from others, on data that grew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import mgnm_tf
from mgnm_tf.cli import app
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.models.loading import load_model
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.runs.run import Run
from mgnm_tf.serving.recommender import Recommender
from mgnm_tf.training import fit
from mgnm_tf.training.build import compile_model
from mgnm_tf.training.build import make_model
from mgnm_tf.training.continued import EPOCHS
from mgnm_tf.training.continued import configure_continued
from mgnm_tf.training.continued import continuation_of
from mgnm_tf.training.grown_weights import grow_model
from tests.training.test_refit import assert_same_weights

CONFIG = TrainConfig(
    model="youtube_dnn",
    options={"embedding_dim": 8},
    batch_size=64,
    epochs=2,
    validation_negatives=50,
    optimizer={"learning_rate": 0.02, "schedule": "cosine"},
)

# An interrupted `fit` leaves the file of `CSVLogger` open, as a kill does.
pytestmark = [
    pytest.mark.usefixtures("eagerly"),
    pytest.mark.filterwarnings(
        "ignore::pytest.PytestUnraisableExceptionWarning"
    ),
]


def world(first=0.0, last=1.0):
    """Returns the events of a span of time, split by time."""
    events = make_world(
        60,
        80,
        seed=1,
        num_events=800,
        items_per_topic=4,
        topics_per_category=5,
    )
    times = events["timestamp"].rank(method="first", pct=True)
    kept = events[(times > first) & (times <= last)]
    log = read_log(kept, category_column="category")
    return split_log(log, "temporal", name="world")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    folder = tmp_path_factory.mktemp("old") / "data"
    world(last=0.6).save(folder)
    return SequenceDataset.load(folder)


@pytest.fixture(scope="module")
def new():
    return world()


@pytest.fixture(scope="module")
def earlier(old, tmp_path_factory):
    tf.config.run_functions_eagerly(True)
    out = tmp_path_factory.mktemp("earlier") / "run"
    folder = Path(old.items.filename).parent
    fit.train(folder, CONFIG, out, verbose=0)
    tf.config.run_functions_eagerly(False)
    return mgnm_tf.Run(out, old)


@pytest.fixture(scope="module")
def continued(earlier, new, tmp_path_factory):
    tf.config.run_functions_eagerly(True)
    out = tmp_path_factory.mktemp("continued") / "run"
    run = mgnm_tf.train(new, None, out, continue_from=earlier, verbose=0)
    tf.config.run_functions_eagerly(False)
    return run


def test_a_run_goes_on_with_its_own_recipe(continued, earlier, old, new):
    assert continued.config.continue_from == str(earlier.path)
    assert continued.config.epochs == EPOCHS >= len(continued.history) > 0
    ours, theirs = continued.config.to_dict(), earlier.config.to_dict()
    differing = {key for key in ours if ours[key] != theirs[key]}
    assert differing == {"continue_from", "epochs"}


def test_its_folder_says_what_it_goes_on_from(continued, earlier, old, new):
    said = continued.environment["continued_from"]
    assert said["run"] == str(earlier.path)
    assert said["data"]["fingerprint"] == old.fingerprint
    assert said["new_items"] == new.num_items - old.num_items > 0
    assert said["new_users"] == new.num_users - old.num_users > 0
    all_samples = len(new.positions("train"))
    assert 0 < said["new_samples"] < all_samples
    steps = int(continued.load_model().optimizer.iterations)
    before = int(earlier.load_model().optimizer.iterations)
    epochs = continued.best_epoch
    assert steps == before + epochs * -(-said["new_samples"] // 64)


def test_a_continued_run_is_loaded_and_exported(continued, old, new, tmp_path):
    model = load_model(continued.path / "model.keras")
    assert (model.num_users, model.num_items) == (new.num_users, new.num_items)
    continued.export(tmp_path / "export")
    served = Recommender.load(tmp_path / "export")
    (added, *_) = set(new.item_ids) - set(old.item_ids)
    assert len(served.recommend([[added]], k=3)) == 3


def test_an_interrupted_one_ends_as_an_uninterrupted_one(
    continued, earlier, new, tmp_path
):
    class Stop(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    how = {"continue_from": earlier, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        fit.train(new, None, tmp_path / "run", callbacks=[Stop()], **how)
    run = Run(fit.train(new, None, tmp_path / "run", **how))
    assert_same_weights(run, continued)


def test_a_refit_goes_on_with_what_validation_chose(earlier, new, tmp_path):
    run = Run(
        fit.train(
            new,
            None,
            tmp_path / "run",
            continue_from=earlier,
            refit=True,
            epochs=1,
            verbose=0,
        )
    )
    choice = Run(tmp_path / "run" / "choice")
    assert choice.config.continue_from == str(earlier.path)
    seen, more = (
        one.environment["continued_from"]["new_samples"]
        for one in (choice, run)
    )
    assert more == seen + len(new.positions("validation"))


def vectors(run, data):
    """Returns item -> vector."""
    table = np.array(run.load_model().item_vectors())
    return dict(zip(data.item_ids, table[1:], strict=True))


def test_on_the_command_line_the_model_need_not_be_named(
    earlier, old, new, tmp_path
):
    new.save(tmp_path / "new")
    words = ["train", "--data", tmp_path / "new", "--out", tmp_path / "run"]
    words += ["--continue-from", earlier.path, "--epochs", "1"]
    words += ["--learning-rate", "1e-12"]
    done = CliRunner().invoke(app, list(map(str, words)))
    assert done.exit_code == 0, done.output
    run = Run(tmp_path / "run")
    assert run.config.epochs == 1
    # Nothing was learned, so that all old items are where they were.
    before, after = vectors(earlier, old), vectors(run, new)
    for item, vector in before.items():
        np.testing.assert_allclose(after[item], vector, atol=1e-6)


def test_the_recipe_may_be_named_again(earlier, tmp_path):
    stored = earlier.config.to_recipe()
    config = configure_continued(earlier, stored, seed=3)
    assert (config.seed, config.options) == (3, earlier.config.options)


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        ("gru4rec", {}, "trained the model youtube_dnn, which cannot go on as"),
        (
            None,
            {"options": {"embedding_dim": 16}},
            "embedding_dim is 16, was 8",
        ),
        (None, {"max_length": 7}, "max_length is 7, was 100"),
        (None, {"optimizer": "adam"}, "optimizer is 'adam', was 'lazy_adam'"),
        (None, {"init_from": "a"}, "give one of them"),
        (None, {"continue_from": "none"}, "There is no run folder none"),
        (None, {"continue_from": None}, "Name what to train"),
    ],
)
def test_what_cannot_go_on_is_refused(
    earlier, new, tmp_path, recipe, settings, words
):
    how = {"continue_from": earlier, **settings}
    with pytest.raises(UserError, match=words):
        fit.train(new, recipe, tmp_path / "run", **how)
    assert not list(tmp_path.iterdir())


def test_data_without_anything_new_are_refused(earlier, old, new, tmp_path):
    out = tmp_path / "run"
    same = "are those that .* was trained on"
    with pytest.raises(UserError, match=same):
        fit.train(old, None, out, continue_from=earlier)
    # The same events; only the name of the validation part is another.
    fewer = replace(old, parts=np.where(np.array(old.parts) == 1, 2, old.parts))
    with pytest.raises(UserError, match="has seen all training events"):
        fit.train(fewer, None, out, continue_from=earlier)
    with pytest.raises(UserError, match="users of .* have no training event"):
        fit.train(world(first=0.3), None, out, continue_from=earlier)
    other = mgnm_tf.Run(earlier.path, new)
    with pytest.raises(UserError, match="not the data set that .* was trained"):
        fit.train(new, None, out, continue_from=other)
    assert not list(tmp_path.iterdir())


def test_a_model_that_counts_is_trained_anew(old, new, tmp_path):
    run = fit.train(old, "popularity", tmp_path / "run", verbose=0)
    with pytest.raises(UserError, match="popularity counts events"):
        fit.train(
            new, None, tmp_path / "next", continue_from=mgnm_tf.Run(run, old)
        )


@pytest.fixture(scope="module")
def features(old, new, tmp_path_factory):
    """Parquet files of what is known of the earlier and of all items."""
    folder = tmp_path_factory.mktemp("features")
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "item_id": new.item_ids,
            "price": random.normal(50, 9, new.num_items),
            "tags": [
                [f"t{one}" for one in random.integers(0, 5, 2)]
                for _ in new.item_ids
            ],
        }
    )
    later = ~table["item_id"].isin(old.item_ids)
    assert later.any()
    table[~later].to_parquet(folder / "old.parquet")
    # Other prices and a tag that no earlier item has.
    table.loc[later, "price"] += 1000.0
    table.loc[later, "tags"] = table.loc[later, "tags"].map(
        lambda _: ["t1", "t9"]
    )
    table.to_parquet(folder / "new.parquet")
    return folder


@pytest.fixture(scope="module")
def informed(old, features, tmp_path_factory):
    """A run on the earlier data with what is known of their items."""
    tf.config.run_functions_eagerly(True)
    out = tmp_path_factory.mktemp("informed") / "run"
    config = CONFIG.model_copy(
        update={"item_features": str(features / "old.parquet"), "epochs": 1}
    )
    fit.train(Path(old.items.filename).parent, config, out, verbose=0)
    tf.config.run_functions_eagerly(False)
    return Run(out)


def test_features_are_read_as_they_were_and_new_items_have_theirs(
    informed, features, old, new
):
    config = configure_continued(
        informed.path, item_features=str(features / "new.parquet")
    )
    continuation = continuation_of(config, new, old)
    source, model = informed.load_model(), make_model(new, config)
    compile_model(model, new, config)
    grow_model(model, source, continuation.growth)
    rows = continuation.growth.items[1:]
    np.testing.assert_allclose(
        np.array(model.item_vectors())[rows],
        np.array(source.item_vectors())[1:],
        rtol=1e-5,
        atol=1e-6,
    )
    layer = model.item_embedding.projection
    added = continuation.growth.new_items
    # Far above the mean of the earlier prices, by which they were trained.
    assert np.array(layer.item_numbers)[added].min() > 50
    classes = np.array(layer.item_classes)[added]
    # "t1", and nothing of "t9".
    assert set(classes[:, 0]) == {2}
    assert not classes[:, 1:].any()


def test_a_run_with_features_goes_on_with_them(
    informed, features, new, tmp_path
):
    run = mgnm_tf.train(
        new,
        None,
        tmp_path / "run",
        continue_from=informed.path,
        item_features=str(features / "new.parquet"),
        epochs=1,
        verbose=0,
    )
    model = run.load_model()
    assert model.item_features["id_dropout"] == CONFIG.id_dropout
    assert model.num_items == new.num_items
    assert run.config.item_features.endswith("new.parquet")


def test_features_are_neither_left_out_nor_added(
    informed, earlier, features, new, tmp_path
):
    file = str(features / "new.parquet")
    for run, given, message in (
        (informed, "", "with item features .* name a file of them"),
        (earlier, file, "without item features .* leave them out"),
    ):
        config = configure_continued(run.path, item_features=given)
        with pytest.raises(UserError, match=message):
            fit.train(new, config, tmp_path / "refused", verbose=0)
    lacking = tmp_path / "lacking.parquet"
    pd.read_parquet(file)[["item_id", "tags"]].to_parquet(lacking)
    config = configure_continued(informed.path, item_features=str(lacking))
    with pytest.raises(UserError, match="by 1 numbers in the column 'price'"):
        fit.train(new, config, tmp_path / "refused", verbose=0)
    assert not (tmp_path / "refused").exists()
