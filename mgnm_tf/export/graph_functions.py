"""Functions of a graph, made of those of Python and looked into."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf


def specs_of(structure: Any) -> Any:
    """Returns the specifications of tensors, with a free number of rows."""
    return tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), structure
    )


def is_read(name: str, features: Mapping[str, Any], function: Any) -> bool:
    """Returns whether what a function makes of features depends on one."""
    graph = function.get_concrete_function().graph
    return bool(graph.inputs[sorted(features).index(name)].consumers())


def traced(function, *specs):
    """Makes a function of a graph that takes what the specifications say."""
    return tf.function(function, input_signature=specs, autograph=False)


def named(function, request, **more):
    """Makes a function of named tensors out of one of a request."""

    def flat(**tensors):
        given = {name: tensors.pop(name) for name in request}
        return function(given, **tensors)

    return tf.function(flat, autograph=False).get_concrete_function(
        **request, **more
    )
