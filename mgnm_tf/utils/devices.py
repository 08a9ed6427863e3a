"""What the backend computes on."""

import functools

import keras


@functools.cache
def has_accelerator() -> bool:
    """Whether the backend sees anything but processors.

    On PyTorch, whose devices Keras does not list, the answer is yes.
    """
    if keras.backend.backend() == "torch":
        return True
    devices = keras.distribution.list_devices()
    return any(not device.startswith("cpu") for device in devices)
