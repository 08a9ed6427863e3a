import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.runs.config import TrainConfig


def test_round_trip():
    config = TrainConfig("mgnm", options={"embedding_dim": 8}, epochs=3)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_unknown_key_names_the_nearest():
    with pytest.raises(UserError, match="'epoch'.*Did you mean 'epochs'"):
        TrainConfig.from_dict({"model": "mgnm", "epoch": 3})


@pytest.mark.parametrize(
    "objective, negatives, shared",
    [("paper", 5, 0), ("sampled_softmax", 0, 1000)],
)
def test_negatives_follow_the_objective(objective, negatives, shared):
    config = TrainConfig("mgnm", objective=objective)
    assert (config.negatives, config.shared_negatives) == (negatives, shared)


def test_given_negatives_win():
    config = TrainConfig("m", objective="sampled_softmax", shared_negatives=9)
    assert config.shared_negatives == 9


@pytest.mark.parametrize(
    "change, message",
    [
        ({"objective": "softmax"}, "objective 'softmax'.*sampled_softmax"),
        ({"sampling": "uni"}, "sampling 'uni'"),
        ({"monitor": "val_ndcg@10"}, "Did you mean 'val_ndcg@5'"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"batch_size": 2.5}, "`batch_size` must be an integer"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be between"),
        ({"steps_per_execution": 0}, "`steps_per_execution` must be"),
        ({"negatives": 0}, "both 0"),
    ],
)
def test_bad_values_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        TrainConfig("mgnm", **change)


def test_mode_tells_what_is_better():
    assert TrainConfig("m", monitor="val_loss").mode == "min"
    assert TrainConfig("m").mode == "max"


def test_difference_names_what_differs():
    config = TrainConfig("m", epochs=3)
    assert config.difference(TrainConfig("m", epochs=3)) == ""
    assert config.difference(TrainConfig("m")) == "epochs is 3, was 20"
