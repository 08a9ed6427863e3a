"""What is asked of the disk before the end of an epoch writes."""

import keras
import numpy as np
import pytest

from mgnm_tf.training import callbacks
from mgnm_tf.training.callbacks import RoomForWeights
from mgnm_tf.training.callbacks import SeedPerEpoch
from mgnm_tf.training.callbacks import saved_size


@pytest.fixture
def model():
    model = keras.Sequential([keras.layers.Dense(300), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.ones((4, 200)), np.ones((4, 1)), verbose=0)
    return model


def test_room_for_the_best_weights_and_the_backup_is_asked_for(
    model, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(callbacks, "reserve", lambda *one: asked.append(one))
    callback = RoomForWeights(tmp_path)
    callback.set_model(model)
    callback.on_epoch_end(0)
    model.save_weights(tmp_path / "best.weights.h5")
    written = (tmp_path / "best.weights.h5").stat().st_size
    ((folder, size),) = asked
    assert folder == tmp_path
    assert 2 * written <= size <= 8 * written


def test_a_saved_model_is_not_larger_than_said(model, tmp_path):
    model.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").stat().st_size <= saved_size(model)


def test_workers_draw_numbers_of_their_own_that_depend_on_the_epoch():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])

    def state(rank, epoch):
        callback = SeedPerEpoch(rank)
        callback.set_model(model)
        for variable, value in zip(model.variables, start, strict=True):
            variable.assign(value)
        callback.on_train_begin()
        callback.on_epoch_begin(epoch)
        return tuple(np.array(model.variables[0]).tolist())

    start = [np.array(variable) for variable in model.variables]
    states = [state(rank, epoch) for rank in (0, 1, 2) for epoch in (0, 1)]
    assert len(set(states)) == 6
    assert state(1, 1) == states[3]
