"""Options of a request that a server repeats for each row."""

import tensorflow as tf


def single_value(values: tf.Tensor, name: str) -> tf.Tensor:
    """Returns the one value of a tensor, (); others are an error at run time.

    Args:
        values: of any shape, all equal.
        name: what they are, for the message.
    """
    values = tf.reshape(values, [-1])
    one = values[:1]
    same = f"`{name}` must be one value, or the same for each row."
    with tf.control_dependencies(
        [tf.debugging.assert_equal(values, one, same)]
    ):
        return tf.reshape(one, [])
