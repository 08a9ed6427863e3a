"""Adam that leaves the rows alone that a batch did not touch."""

import keras

from mgnm_tf.serialization import register


def _on_tensorflow() -> bool:
    return keras.backend.backend() == "tensorflow"


def _sum_repeated_rows(gradient):
    """Adds up the slices of `tf.IndexedSlices` that share a row.

    Other gradients, and None, come back as they are.
    """
    import tensorflow as tf

    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, segments = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(
        gradient.values, segments, tf.shape(rows)[0]
    )
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


@register
class LazyAdam(keras.optimizers.Adam):
    """Adam that updates only the embedding rows that a batch read.

    Plain Adam moves every row of an embedding table and of its two moments at
    every step, whatever the batch read: most of a training step on a large
    catalogue. On the TensorFlow backend, for a sparse gradient
    (`tf.IndexedSlices`, what a lookup gives), this optimizer moves the touched
    rows only. With t the number of steps so far (of the optimizer, not of the
    row) and g the summed gradient of a row:

    ```
    m   <- beta_1 * m + (1 - beta_1) * g
    v   <- beta_2 * v + (1 - beta_2) * g^2
    row <- row - learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)
                 * m / (sqrt(v) + epsilon)
    ```

    These are the rules of `tensorflow_addons.optimizers.LazyAdam`, which no
    longer imports with current TensorFlow; tests compare the two. Dense
    gradients follow plain Adam, and so does everything on the JAX and PyTorch
    backends, which have no sparse gradients.

    Results differ from Adam's: there a row keeps moving by its momentum after
    the last batch that read it, here it rests.

    Options of Keras with sparse gradients: `clipnorm`, `clipvalue` and
    `global_clipnorm` see the summed gradient of a row; `weight_decay`
    (decoupled, as in AdamW) shrinks the touched rows only;
    `gradient_accumulation_steps` makes the gradient dense, so that all rows
    move; `use_ema` averages whole tables.

    Args:
        learning_rate: float, a schedule, or a callable without arguments.
            Defaults to `0.001`.
        beta_1: decay rate of the first moment. Defaults to `0.9`.
        beta_2: decay rate of the second moment. Defaults to `0.999`.
        epsilon: added to the root of the second moment. Defaults to `1e-7`.
        name: defaults to `"lazy_adam"`.
        **kwargs: see `keras.optimizers.Adam`; `amsgrad` is not offered.

    Example:

    >>> from mgnm_tf.optimizers import LazyAdam
    >>> LazyAdam(0.01, clipnorm=1.0).get_config()["clipnorm"]
    1.0
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "lazy_adam",
        **kwargs,
    ):
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            amsgrad=False,
            name=name,
            **kwargs,
        )

    def update_step(self, gradient, variable, learning_rate):
        if _on_tensorflow():
            import tensorflow as tf

            if isinstance(gradient, tf.IndexedSlices):
                return self._update_rows(gradient, variable, learning_rate)
        if self._decays(variable):
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, variable * self.weight_decay * rate)
        super().update_step(gradient, variable, learning_rate)

    def _update_rows(self, gradient, variable, learning_rate):
        """Moves the rows of `variable` that `gradient` touches."""
        import tensorflow as tf

        # Again here: replicas' slices are concatenated after clipping.
        gradient = _sum_repeated_rows(gradient)
        rows = gradient.indices
        slices = tf.cast(gradient.values, variable.dtype)
        index = self._get_variable_index(variable)
        momentum = self._momentums[index].value
        velocity = self._velocities[index].value

        rate = tf.cast(learning_rate, variable.dtype)
        step = tf.cast(self.iterations + 1, variable.dtype)
        correction = tf.sqrt(1 - tf.pow(self.beta_2, step)) / (
            1 - tf.pow(self.beta_1, step)
        )
        first = self.beta_1 * tf.gather(momentum, rows) + (
            (1 - self.beta_1) * slices
        )
        second = self.beta_2 * tf.gather(velocity, rows) + (
            (1 - self.beta_2) * tf.square(slices)
        )
        change = rate * correction * first / (tf.sqrt(second) + self.epsilon)
        if self._decays(variable):
            change += rate * self.weight_decay * tf.gather(variable, rows)

        momentum.scatter_update(tf.IndexedSlices(first, rows))
        velocity.scatter_update(tf.IndexedSlices(second, rows))
        variable.scatter_sub(tf.IndexedSlices(change, rows))

    def _decays(self, variable) -> bool:
        return self.weight_decay is not None and self._use_weight_decay(
            variable
        )

    def _apply_weight_decay(self, variables):
        """Does nothing: `update_step` decays, so that it can be sparse."""

    def _clip_gradients(self, grads):
        clips = self.clipnorm or self.clipvalue or self.global_clipnorm
        if not clips or not _on_tensorflow():
            return super()._clip_gradients(grads)
        import tensorflow as tf

        # A norm is that of the summed slices. Keras's own clipping by global
        # norm and by value would make the gradients dense.
        grads = [_sum_repeated_rows(gradient) for gradient in grads]
        if self.clipnorm:
            return [tf.clip_by_norm(grad, self.clipnorm) for grad in grads]
        if self.global_clipnorm:
            return tf.clip_by_global_norm(grads, self.global_clipnorm)[0]
        limit = self.clipvalue
        return [tf.clip_by_value(grad, -limit, limit) for grad in grads]

    def get_config(self):
        config = super().get_config()
        del config["amsgrad"]
        return config
