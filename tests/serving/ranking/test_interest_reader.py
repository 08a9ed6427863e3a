"""Requests of one user, compiled, are read as all others."""

import numpy as np
import pytest
import tensorflow as tf

from mgnm_tf.export import Vocabularies
from mgnm_tf.export import export
from mgnm_tf.export.export_folder import read_header
from mgnm_tf.models.registry import create_model
from mgnm_tf.serving.ranking import interest_reader
from mgnm_tf.serving.ranking.compiled_ranking import request_specs
from mgnm_tf.serving.ranking.interest_reader import InterestReader

NAMES = [f"item-{number}" for number in range(60)]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reader") / "export"
    words = Vocabularies(["ann"], NAMES, np.arange(60))
    model = create_model("comirec_sa", 1, 60, max_length=50)
    export(model, words, folder, max_length=50)
    return tf.saved_model.load(folder / "1"), read_header(folder)


def request(length):
    random = np.random.default_rng(length)
    names = [NAMES[row] for row in random.integers(0, 60, length)]
    history = np.array([["", *names]], object)
    return {"user_id": np.array(["ann"], object), "history": history}


def test_compiled_and_padded_histories_give_the_same(served):
    served, metadata = served
    specs = request_specs(metadata)
    plain = InterestReader(served, specs, 50)
    compiled = InterestReader(served, specs, 50, compiled=True)
    for length in (0, 1, 20, 33, 50, 70):
        expected, found = plain(request(length)), compiled(request(length))
        assert found[1].shape[0] == 1 and found[1].ndim == 3
        for one, other in zip(found[:2], expected[:2]):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
        for one, other in zip(found[2:], expected[2:]):
            np.testing.assert_array_equal(one, other)
    assert expected[3].tolist() == [False]
    assert plain(request(0))[3].tolist() == [True]


def test_few_lengths_are_compiled(monkeypatch):
    monkeypatch.setattr(interest_reader, "_SHORTEST", 8)
    widths = []
    for length in (1, 8, 9, 30, 32, 33, 50):
        features = {
            "user": tf.ones([1], tf.int32),
            "history": tf.ones([1, length], tf.int32),
            "history_time": tf.ones([1, length], tf.int64),
            "candidate_time": tf.ones([1, 1], tf.int64),
        }
        padded = interest_reader._padded(features, 50)
        widths.append(padded["history"].shape[1])
        assert padded["history_time"].shape == padded["history"].shape
        assert padded["candidate_time"].shape == [1, 1]
        assert int(tf.reduce_sum(padded["history"])) == length
    assert widths == [8, 8, 16, 32, 32, 50, 50]
