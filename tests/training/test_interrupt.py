"""An interrupt that Python loses still ends a training."""

import os
import signal
import threading

import keras
import numpy as np
import pytest

from mgnm_tf.training.interrupt import Interruptible


class Lose(keras.callbacks.Callback):
    """Sends an interrupt in the second epoch, and swallows it."""

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs += 1
        if epoch == 1:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                pass


def fit(*callbacks):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    ones = np.ones((4, 2))
    model.fit(ones, ones, epochs=5, verbose=0, callbacks=list(callbacks))


def test_a_lost_interrupt_ends_the_training_in_the_next_batch():
    lose = Lose()
    with pytest.raises(KeyboardInterrupt), Interruptible() as interruptible:
        fit(lose, interruptible)
    assert lose.epochs == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_it_the_training_goes_on():
    lose = Lose()
    fit(lose)
    assert lose.epochs == 5


def test_a_handler_of_somebody_else_stays():
    def ours(number, frame):
        pass

    before = signal.signal(signal.SIGINT, ours)
    try:
        with Interruptible():
            assert signal.getsignal(signal.SIGINT) is ours
        assert signal.getsignal(signal.SIGINT) is ours
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_is_left_alone():
    failed = []

    def enter():
        try:
            with Interruptible():
                pass
        except ValueError as error:
            failed.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert not failed
