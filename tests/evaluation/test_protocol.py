"""The protocol: checks, words, round trip."""

import json

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
        later_only=True,
        shuffle_ties=4,
        aggregate="user_pool",
        tied_scores="above",
    )
    assert Protocol.from_dict(protocol.to_dict()) == protocol
    assert protocol != Protocol()


def test_old_files_hold_one_k_and_fewer_fields():
    old = {
        "part": "test",
        "negatives": 1000,
        "exclude": "history",
        "k": 5,
        "gauc_weighting": "samples",
        "seed": 0,
        "max_length": 100,
    }
    assert Protocol.from_dict(old) == Protocol()
    assert Protocol().to_dict().items() >= old.items()


def test_several_k():
    protocol = Protocol(k=(5, 10))
    assert json.loads(json.dumps(protocol.to_dict()))["k"] == [5, 10]
    again = Protocol.from_dict(json.loads(json.dumps(protocol.to_dict())))
    assert again == protocol == Protocol(k=[5, 10]) != Protocol(k=(10, 5))
    assert protocol.metric_names == (
        *("gauc", "ndcg@5", "hit@5", "mrr@5", "ndcg@10", "hit@10", "mrr@10"),
    )
    assert protocol.main_metric == "ndcg@5"
    assert Protocol(k=7) == Protocol(k=(7,))


def test_names_are_as_different_as_the_protocols():
    assert Protocol().name == "test"
    found = Protocol(
        "validation", "all", k=(5, 10), shuffle_ties=0, later_only=True
    )
    assert found.name == (
        "validation_negatives-all_k-5-10_later-only_shuffle-ties-0"
    )


@pytest.mark.parametrize(
    ("num_items", "negatives"), [(51, "all"), (50, "all"), (52, 50)]
)
def test_no_more_negatives_than_items(num_items, negatives):
    found = Protocol(negatives=50, k=3).for_catalogue(num_items)
    assert found == Protocol(negatives=negatives, k=3)


def test_what_a_metric_is_a_mean_of():
    alike = Protocol().weights_users_alike
    assert not alike("gauc") and not alike("hit@5")
    alike = Protocol(gauc_weighting="users").weights_users_alike
    assert alike("gauc") and not alike("hit@5")
    alike = Protocol(aggregate="user_pool").weights_users_alike
    assert not alike("gauc") and alike("hit@5")


def test_difference():
    found = Protocol(k=(5, 10)).difference(Protocol(negatives="all"))
    assert found == "negatives is 1000, was 'all', k is [5, 10], was 5"
    assert Protocol().difference(Protocol()) == ""


def test_the_length_counts_where_the_lists_depend_on_it():
    longer = {"max_length": 200}
    for exclude, counts in (
        ("history", True),
        ("user", False),
        ("none", False),
    ):
        one = Protocol(exclude=exclude)
        two = Protocol(exclude=exclude, **longer)
        assert one.depends_on_length == counts
        assert ("max_length is" in one.difference(two)) == counts
    assert "max_length" in Protocol(exclude="user").difference(
        Protocol(**longer)
    )


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
        ({"k": (5, 10, 20)}, ["first 5, 10 and 20 places"]),
        ({"later_only": True}, ["event that is later than the event before"]),
        ({"shuffle_ties": 7}, ["one time in an order drawn with seed 7"]),
        ({"aggregate": "user_pool"}, ["means over users", "pooled"]),
        ({"tied_scores": "above"}, ["ties count against the positive;"]),
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
        ({"k": ()}, "several that differ"),
        ({"k": (5, 5)}, "several that differ"),
        ({"k": (5, -1)}, "`k` must be at least 1"),
        ({"shuffle_ties": -1}, "shuffle_ties"),
        ({"aggregate": "pool"}, "Did you mean 'user_pool'"),
        ({"tied_scores": "abov"}, "Did you mean 'above'"),
        ({"gauc_weighting": "user"}, "Did you mean 'users'"),
        ({"seed": -1}, "seed"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_wrong_option(options, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**options)


@pytest.mark.parametrize(
    "options", [{"later_only": 1}, {"k": "5"}, {"shuffle_ties": True}]
)
def test_wrong_type(options):
    with pytest.raises(TypeError, match=next(iter(options))):
        Protocol(**options)


def test_unknown_key():
    with pytest.raises(UserError, match="'negative'.*mean 'negatives'"):
        Protocol.from_dict({"negative": 5})
