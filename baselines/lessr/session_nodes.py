"""What both kinds of layers of LESSR do with the nodes of a session."""

import keras
from keras import ops

from mgnm_tf.types import Tensor
from mgnm_tf.utils.initializers import uniform_of_width


def node_places(alias: Tensor, valid_mask: Tensor) -> Tensor:
    """Returns which node is visited at each position.

    Args:
        alias: int32, (B, m), see `SessionGraph`.
        valid_mask: bool, (B, m).

    Returns:
        bool, (B, m, m): position, then node. All False at padding.
    """
    slots = ops.arange(ops.shape(alias)[1], dtype=alias.dtype)
    places = ops.equal(ops.expand_dims(alias, -1), slots)
    return ops.logical_and(places, ops.expand_dims(valid_mask, -1))


def node_norm(shape: tuple, name: str, **policy) -> keras.layers.Layer:
    """Returns a built batch normalisation with the settings of PyTorch's."""
    layer = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=name, **policy
    )
    layer.build(shape)
    return layer


def linear(inputs: int, units: int, name: str, use_bias=False, **policy):
    """Returns a built `Dense` with the initial values of PyTorch's."""
    layer = keras.layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=uniform_of_width(inputs),
        bias_initializer=uniform_of_width(inputs),
        name=name,
        **policy,
    )
    layer.build((None, inputs))
    return layer


def leaky(units: int, name: str, **policy) -> keras.layers.PReLU:
    """Returns a built `PReLU` with a slope of its own for each of `units`."""
    layer = keras.layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25),
        shared_axes=(1,),
        name=name,
        **policy,
    )
    layer.build((None, None, units))
    return layer
