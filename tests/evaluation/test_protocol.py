"""The protocol: checks, words, round trip."""

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.protocol import Protocol


def test_round_trip():
    protocol = Protocol(
        part="validation",
        negatives="all",
        exclude="none",
        k=20,
        gauc_weighting="users",
        seed=3,
        max_length=50,
    )
    assert Protocol.from_dict(protocol.to_dict()) == protocol
    assert protocol != Protocol()


def test_metric_names():
    assert Protocol(k=20).metric_names == (
        "gauc",
        "ndcg@20",
        "hit@20",
        "mrr@20",
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["test event", "1,000 items", "seed 0", "visible history"]),
        ({"negatives": "all"}, ["the whole catalogue"]),
        ({"exclude": "user"}, ["of the user up to that part"]),
        ({"exclude": "none"}, ["history included"]),
        ({"k": 20}, ["first 20 places"]),
        ({}, ["ties count by half", "weighted by their samples"]),
        ({"gauc_weighting": "users"}, ["all users weighted the same"]),
    ],
)
def test_description(options, words):
    sentence = Protocol(**options).describe()
    assert all(word in sentence for word in words)
    assert sentence.count(". ") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": "train"}, "part"),
        ({"negatives": 0}, "negatives"),
        ({"negatives": "al"}, "number or 'all'"),
        ({"exclude": "usr"}, "Did you mean 'user'"),
        ({"k": 0}, "`k`"),
        ({"gauc_weighting": "user"}, "Did you mean 'users'"),
        ({"seed": -1}, "seed"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_wrong_option(options, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**options)


def test_unknown_key():
    with pytest.raises(UserError, match="'negative'.*mean 'negatives'"):
        Protocol.from_dict({"negative": 5})
