"""Ctrl-C ends a training, wherever it arrives."""

import signal
import threading

import keras


class Interruptible(keras.callbacks.Callback):
    """Asks for the end again where an interrupt was lost.

    Python raises `KeyboardInterrupt` in whatever runs at that moment. In a
    finalizer, or in a callback of C code, nobody catches it and it is gone.
    Inside the `with` block this callback notes each interrupt, and the end of
    the next batch raises it once more.

    It changes nothing where another handler than Python's own is installed,
    and outside the main thread.
    """

    def __init__(self):
        super().__init__()
        self._asked = False
        self._installed = False

    def __enter__(self) -> "Interruptible":
        main = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGINT) if main else None
        self._installed = handler is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number, frame):
        self._asked = True
        signal.default_int_handler(number, frame)

    def _ask_again(self, *arguments, **named):
        if self._asked:
            raise KeyboardInterrupt

    on_train_batch_end = _ask_again
    on_test_batch_end = _ask_again
    on_epoch_end = _ask_again
