"""Adam that leaves untouched rows alone, Adam with an L2 term, schedules."""

from collections.abc import Sequence

import keras
from keras import ops

from mgnm_tf.serialization import register
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


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


@register
class L2Adam(keras.optimizers.Adam):
    """Adam with an L2 term in the gradient, as `torch.optim.Adam` has it.

    `weight_decay` of Keras's optimizers is decoupled: it shrinks a variable
    beside the step of Adam. Here the decay is part of the gradient, and so of
    the moments. With g the gradient of a variable w and t the number of the
    step, from 1:

    ```
    g <- g + l2 * w
    m <- beta_1 * m + (1 - beta_1) * g
    v <- beta_2 * v + (1 - beta_2) * g^2
    w <- w - learning_rate * (m / (1 - beta_1^t))
             / (sqrt(v / (1 - beta_2^t)) + epsilon)
    ```

    All rows of an embedding table move at every step, those that no batch
    reads towards zero. The loss does not show the term. Other than in Keras
    `epsilon` is added to the corrected root, which matters where gradients
    are as small as it is: at such rows.

    Args:
        learning_rate: float, a schedule, or a callable without arguments.
            Defaults to `0.001`.
        l2: weight of the term. Defaults to `0.0`.
        beta_1: decay rate of the first moment. Defaults to `0.9`.
        beta_2: decay rate of the second moment. Defaults to `0.999`.
        epsilon: added to the root of the second moment. Defaults to `1e-8`,
            as in PyTorch.
        amsgrad: whether the largest v so far takes the place of v. Defaults
            to `False`.
        exclude: the last names of variables (`"bias"`) without the term.
            Defaults to `()`.
        name: defaults to `"l2_adam"`.
        **kwargs: see `keras.optimizers.Adam`; a `weight_decay` comes on top.

    Raises:
        ValueError: `l2` is negative.

    Example:

    >>> from mgnm_tf.optimizers import L2Adam
    >>> L2Adam(0.01, l2=1e-5, exclude=("bias",)).get_config()["l2"]
    1e-05
    """

    def __init__(
        self,
        learning_rate=0.001,
        l2: float = 0.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        amsgrad: bool = False,
        exclude: Sequence[str] = (),
        name: str = "l2_adam",
        **kwargs,
    ):
        check_range(l2, "l2", 0.0)
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            amsgrad=amsgrad,
            name=name,
            **kwargs,
        )
        self.l2 = l2
        self.exclude = tuple(exclude)

    def update_step(self, gradient, variable, learning_rate):
        # The name of a variable, where TensorFlow's own takes its place, ends
        # in its path.
        index = self._get_variable_index(variable)
        name = self._trainable_variables[index].name
        value = ops.convert_to_tensor(variable)
        gradient = ops.cast(ops.convert_to_tensor(gradient), value.dtype)
        if self.l2 and name not in self.exclude:
            gradient = gradient + self.l2 * value
        rate = ops.cast(learning_rate, value.dtype)
        step = ops.cast(self.iterations + 1, value.dtype)
        powers = [
            ops.power(ops.cast(beta, value.dtype), step)
            for beta in (self.beta_1, self.beta_2)
        ]
        if _on_tensorflow() and not self.amsgrad:
            self._update_at_once(index, gradient, variable, rate, powers)
            return
        momentum, velocity = self._momentums[index], self._velocities[index]
        self.assign_add(momentum, (gradient - momentum) * (1 - self.beta_1))
        self.assign_add(
            velocity, (ops.square(gradient) - velocity) * (1 - self.beta_2)
        )
        second = velocity
        if self.amsgrad:
            second = self._velocity_hats[index]
            self.assign(second, ops.maximum(second, velocity))
        root = ops.sqrt(second / (1 - powers[1])) + self.epsilon
        change = rate * (momentum / (1 - powers[0])) / root
        self.assign_sub(variable, change)

    def _update_at_once(self, index, gradient, variable, rate, powers):
        """Does the same in one pass over the memory, in TensorFlow."""
        import tensorflow as tf

        # This operation adds epsilon to the root before it is corrected.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=tf.cast(self.beta_1, gradient.dtype),
            beta2=tf.cast(self.beta_2, gradient.dtype),
            epsilon=self.epsilon * tf.sqrt(1 - powers[1]),
            grad=gradient,
        )

    def get_config(self):
        return {**super().get_config(), "l2": self.l2, "exclude": self.exclude}


@register
class StepDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that falls by a factor every few epochs.

    ```
    epoch = floor(step / steps_of_epoch)
    rate  = initial * decay ^ floor((epoch + shift) / epochs)
    ```

    Args:
        initial: the rate of the first epoch, where `shift` < `epochs`.
        steps_of_epoch: number of steps of an epoch.
        epochs: epochs between two falls.
        decay: the factor. Defaults to `0.1`.
        shift: epochs that count as if they were over. PyTorch code that
            calls `scheduler.step()` before each epoch has 1. Defaults to `0`.

    Raises:
        ValueError: a number is out of its range.

    Example:

    >>> from mgnm_tf.optimizers import StepDecay
    >>> rate = StepDecay(1.0, steps_of_epoch=10, epochs=3, decay=0.5, shift=1)
    >>> [float(rate(step)) for step in (0, 19, 20, 49, 50)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(
        self,
        initial: float,
        steps_of_epoch: int,
        epochs: int,
        decay: float = 0.1,
        shift: int = 0,
    ):
        super().__init__()
        self.initial = initial
        self.steps_of_epoch = check_positive_int(
            steps_of_epoch, "steps_of_epoch"
        )
        self.epochs = check_positive_int(epochs, "epochs")
        self.decay = check_range(decay, "decay", 0.0)
        self.shift = check_positive_int(shift, "shift", 0)

    def __call__(self, step):
        # In integers: a quotient of floats may round up to the next epoch.
        epoch = ops.cast(step, "int32") // self.steps_of_epoch + self.shift
        falls = ops.cast(epoch // self.epochs, "float32")
        return self.initial * ops.power(ops.cast(self.decay, "float32"), falls)

    def get_config(self):
        return {
            "initial": self.initial,
            "steps_of_epoch": self.steps_of_epoch,
            "epochs": self.epochs,
            "decay": self.decay,
            "shift": self.shift,
        }


@register
class LaterSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins when an optimizer has some steps behind it.

    For a training that goes on: the optimizer keeps its count of steps,
    which corrects its moments, and the schedule starts again.

    Args:
        schedule: the schedule of the steps from `first_step` on.
        first_step: the steps before it, which have its first rate.

    Raises:
        ValueError: `first_step` is negative.

    Example:

    >>> from mgnm_tf.optimizers import LaterSchedule
    >>> from mgnm_tf.optimizers import StepDecay
    >>> later = LaterSchedule(StepDecay(1.0, 10, 1, decay=0.5), 100)
    >>> [float(later(step)) for step in (0, 100, 109, 110)]
    [1.0, 1.0, 1.0, 0.5]
    """

    def __init__(self, schedule, first_step: int):
        super().__init__()
        self.schedule = schedule
        self.first_step = check_positive_int(first_step, "first_step", 0)

    def __call__(self, step):
        step = ops.cast(step, "int32")
        return self.schedule(ops.maximum(step - self.first_step, 0))

    def get_config(self):
        return {
            "schedule": keras.optimizers.schedules.serialize(self.schedule),
            "first_step": self.first_step,
        }

    @classmethod
    def from_config(cls, config):
        schedule = keras.optimizers.schedules.deserialize(config["schedule"])
        return cls(schedule, config["first_step"])
