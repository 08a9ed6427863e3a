"""What the lines of a training show."""

import keras
import numpy as np
import pytest

from mgnm_tf.training.callbacks import ValidationProgress
from mgnm_tf.training.config import TrainConfig
from mgnm_tf.training.fit import train
from mgnm_tf.training.history import read_history
from tests.training.worlds import small_data


@pytest.mark.parametrize("verbose", [1, 2])
def test_training_metrics_are_not_shown(verbose, tmp_path, capsys):
    config = TrainConfig("youtube_dnn", epochs=1, validation_negatives=20)
    run = train(small_data(), config, tmp_path / "run", verbose=verbose)
    printed = capsys.readouterr().out
    assert "val_hit@5" in printed and "val_gauc" in printed
    assert "loss" in printed
    for name in ("hit@5", "ndcg@5", "mrr@5", "gauc"):
        assert printed.count(name) == printed.count(f"val_{name}") > 0
    # The file keeps them.
    (row,) = read_history(run / "history.csv")
    assert {"loss", "hit@5", "gauc", "val_hit@5", "val_loss"} <= row.keys()


def test_there_is_one_bar_and_it_counts_the_steps(capsys):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(loss="mse", metrics=["mae"])
    x = np.ones((8, 2))
    model.fit(
        *(x, x[:, :1]),
        batch_size=2,
        verbose=1,
        callbacks=[ValidationProgress()],
    )
    printed = capsys.readouterr().out
    assert printed.count("4/4") == 1
    assert "loss" in printed and "mae" not in printed
