"""Batches with longer histories than a model reads are refused."""

import pytest
import tensorflow as tf

import mgnm_tf
from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import model_class

LIMIT = 6
NAMES = ("mgnm", "sasrec", "comirec_sa")


@pytest.fixture(scope="module")
def data():
    return split_log(read_log(make_world(60, 480, num_events=1200, seed=0)))


def batches(data, part, length):
    return mgnm_tf.make_dataset(data, part, max_length=length, negatives=3)


@pytest.fixture(scope="module", params=NAMES)
def model(request, data):
    made = model_class(request.param).from_recipe(
        data, request.param, max_length=LIMIT, embedding_dim=4
    )
    made.compile()
    return made


@pytest.mark.parametrize(
    "door",
    [
        lambda model, short, long: model.fit(long, verbose=0),
        lambda model, short, long: model.fit(
            short, validation_data=long, verbose=0
        ),
        lambda model, short, long: model.evaluate(long, verbose=0),
        lambda model, short, long: model.predict(long, verbose=0),
    ],
    ids=["fit", "validation", "evaluate", "predict"],
)
def test_a_stream_of_longer_histories_is_refused(model, data, door):
    short = batches(data, "train", LIMIT)
    long = batches(data, "validation", 100)
    assert short.history_width == LIMIT < long.history_width
    with pytest.raises(
        ValueError, match=rf"make_dataset\(..., max_length={LIMIT}\)"
    ):
        door(model, short, long)


def test_a_stream_that_does_not_tell_ends_at_its_first_long_batch(model, data):
    untold = batches(data, "validation", 100).take(9)
    errors = (ValueError, tf.errors.InvalidArgumentError)
    with pytest.raises(errors, match="must be at most|is not in"):
        model.predict(untold, verbose=0)


def test_short_data_may_be_shown_with_any_length(model):
    # The longest history counts, not what was allowed.
    few = split_log(read_log(make_world(60, 480, num_events=180, seed=0)))
    assert batches(few, "validation", 100).history_width <= LIMIT


def test_an_evaluation_shows_no_more_than_the_model_reads(model, data):
    assert mgnm_tf.evaluate(model, data).protocol.max_length == LIMIT
    protocol = mgnm_tf.Protocol(negatives=20)
    with pytest.raises(UserError, match=rf"Protocol\(max_length={LIMIT}\)"):
        mgnm_tf.evaluate(model, data, protocol)
