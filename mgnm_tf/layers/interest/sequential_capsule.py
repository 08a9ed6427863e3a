"""Interests read off a history by routing, with the order of events."""

import keras
from keras import ops

from mgnm_tf.layers.interest.capsule_term import Term
from mgnm_tf.layers.interest.recency_prior import RecencyPrior
from mgnm_tf.layers.interest.squash import Squash
from mgnm_tf.layers.sequence.sequence_encoder import SequenceEncoder
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int
from mgnm_tf.utils.validation import check_range


@register
class SequentialCapsule(keras.layers.Layer):
    """Reads K interests off a history with a capsule network.

    For capsule i of K, from the items `H` of a history:

    ```
    Z_i = H W_i                                         (equation 5)
    g_j ~ truncated normal when training, 0 at inference
    repeat `routing_iterations` times:
        c = softmax(g)                                  (6)
        v_i = sum_j c_j z_j;  o_i = squash(v_i)         (7, 8)
        g_j = g_j + o_i . z_j                           (9)
        after the first time only: Z_i = Z_i + Encoder(Z_i)   (10)
    q_i = ReLU(o_i W'_i)                                (11)
    ```

    Fold levels into the batch axis to treat many levels with one call.

    Args:
        num_interests: number of capsules K.
        routing_iterations: how often coupling and capsule are computed, tau.
            Defaults to `3`.
        sequence_encoder: a kind of `SequenceEncoder`, or `None`; one encoder
            serves all capsules. Defaults to `"bilstm"`.
        encoder_initializer: see `output_initializer` of `SequenceEncoder`;
            with `"zeros"` training begins without the encoder. Defaults to
            `"glorot_uniform"`.
        encoder_input: `"each"` encodes the K projected sequences one by one;
            `"joint"` encodes them side by side as one sequence of width K*d.
            Defaults to `"each"`.
        encoded_iterations: `"remaining"` uses the encoded items in all
            iterations after the first, `"second"` in the second only.
            Defaults to `"remaining"`.
        routing_softmax: `"items"` normalises the coupling over the history,
            `"interests"` over the capsules. Defaults to `"items"`.
        routing_gradient: `"all"` lets the gradient pass through every
            iteration, `"last"` stops it at the items of all but the last
            (an encoder used in an earlier one alone still learns, through
            the agreement). Defaults to `"all"`.
        routing_noise: standard deviation of the first routing logits in
            training. Defaults to `1.0`.
        routing_prior: `"recency"` adds learned logits to the first ones,
            see `RecencyPrior`; `None` adds nothing. Defaults to `None`.
        projection: `"shared"` has one `W_i` for all positions,
            `"position"` one for each. Defaults to `"shared"`.
        squash: whether `o = squash(v)`; `False` means `o = v`. Defaults to
            `True`.
        activation: activation of equation 11; `None` leaves equation 11 out,
            so `q = o`. Defaults to `"relu"`.
        projection_initializer: initializer of each `W_i` and `W'_i`.
            Defaults to `"glorot_uniform"`.
        max_length: the longest history; used where weights belong to
            positions or ages. Defaults to `100`.
        seed: seed of the routing noise and the prior. Defaults to `None`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d), zero at invalid positions.
        valid_mask: bool, (batch, length), True first (right padding).
        training: bool; draws the first routing logits when true.
        return_coupling: bool; returns the last coupling, too, when true.

    Returns:
        float, (batch, K, d); with `return_coupling` also the last c,
        float32, (batch, K, length).

    Raises:
        ValueError: an option is unknown, or the history is longer than
            `max_length` where weights belong to positions or ages.

    Masking: invalid positions have coupling 0. Without any valid position
    all interests are zero.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import SequentialCapsule
    >>> items = np.ones((2, 5, 8), "float32")
    >>> mask = np.ones((2, 5), "bool")
    >>> SequentialCapsule(num_interests=4)(items, valid_mask=mask).shape
    TensorShape([2, 4, 8])

    Reference: Tian et al., "When Multi-Level Meets Multi-Interest", SIGIR
    2022, section 3.3.

    Differences: the first routing logits are 0 at inference, their
    expectation, so that scores are deterministic; the paper draws them. The
    published code also draws them at test, and its reshape of the encoder's
    output mixes the users of a batch; neither is reproduced. Its other
    choices are options: `"interests"`, `"last"`, `"position"`, `"joint"`,
    `"second"`, `activation=None`.
    """

    def __init__(
        self,
        num_interests: int,
        routing_iterations: int = 3,
        sequence_encoder: str | None = "bilstm",
        encoder_initializer="glorot_uniform",
        encoder_input: str = "each",
        encoded_iterations: str = "remaining",
        routing_softmax: str = "items",
        routing_gradient: str = "all",
        routing_noise: float = 1.0,
        routing_prior: str | None = None,
        projection: str = "shared",
        squash: bool = True,
        activation: str | None = "relu",
        projection_initializer="glorot_uniform",
        max_length: int = 100,
        seed: int | None = None,
        **kwargs,
    ):
        check_positive_int(num_interests, "num_interests")
        check_positive_int(routing_iterations, "routing_iterations")
        check_choice(encoder_input, "encoder_input", ("each", "joint"))
        check_choice(
            encoded_iterations, "encoded_iterations", ("remaining", "second")
        )
        check_choice(routing_softmax, "routing_softmax", ("items", "interests"))
        check_choice(routing_gradient, "routing_gradient", ("all", "last"))
        check_range(routing_noise, "routing_noise")
        check_choice(routing_prior, "routing_prior", (None, "recency"))
        check_choice(projection, "projection", ("shared", "position"))
        super().__init__(**kwargs)
        self.num_interests = num_interests
        self.routing_iterations = routing_iterations
        self.sequence_encoder = sequence_encoder
        self.encoder_initializer = keras.initializers.get(encoder_initializer)
        self.encoder_input = encoder_input
        self.encoded_iterations = encoded_iterations
        self.routing_softmax = routing_softmax
        self.routing_gradient = routing_gradient
        self.routing_noise = routing_noise
        self.routing_prior = routing_prior
        self.projection = projection
        self.squash = squash
        self.activation = keras.activations.get(activation)
        self.projection_initializer = keras.initializers.get(
            projection_initializer
        )
        self.max_length = max_length
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.squash_layer = Squash(name="squash", dtype=self.dtype_policy)
        self.prior = None
        if routing_prior is not None:
            self.prior = RecencyPrior(
                num_interests,
                max_length,
                seed=seed,
                name="prior",
                dtype="float32",
            )
        self.encoder = None
        if sequence_encoder is not None:
            self.encoder = SequenceEncoder(
                sequence_encoder,
                max_length=max_length,
                output_initializer=encoder_initializer,
                name="encoder",
                dtype=self.dtype_policy,
            )

    def build(self, items_shape, valid_mask_shape=None):
        dim = items_shape[-1]
        self.dim = dim
        positions = self.max_length if self.projection == "position" else 1
        self.kernel = self._add_projection("kernel", positions, dim)
        self.output_kernel = None
        if self.activation is not keras.activations.linear:
            self.output_kernel = self._add_projection("output_kernel", 1, dim)
        if self.encoder is not None:
            joint = self.encoder_input == "joint"
            width = dim * self.num_interests if joint else dim
            self.encoder.build((None, None, width))
        self.built = True

    def _add_projection(self, name, positions, dim):
        """Adds (positions, K, d, d), each d x d matrix drawn on its own."""
        initializer = self.projection_initializer

        def draw(shape, dtype=None):
            matrices = []
            for _ in range(positions * self.num_interests):
                fresh = initializer.clone()
                matrices.append(fresh((dim, dim), dtype=dtype))
            return ops.reshape(ops.stack(matrices), shape)

        return self.add_weight(
            name=name,
            shape=(positions, self.num_interests, dim, dim),
            initializer=draw,
        )

    def call(
        self, items, valid_mask=None, training=False, return_coupling=False
    ):
        if valid_mask is None:
            valid_mask = ops.ones(ops.shape(items)[:2], "bool")
        logits = self._first_logits(valid_mask, training)
        terms = [self._first_term(items)]
        for step in range(self.routing_iterations):
            last = step == self.routing_iterations - 1
            stop = self.routing_gradient == "last" and not last
            encode = step == 1 and self.encoder is not None
            current = terms
            if encode and self.encoded_iterations == "remaining":
                terms = current = [*terms, self._context(terms, valid_mask)]
            if stop:
                current = [term.without_gradient() for term in current]
            if encode and self.encoded_iterations == "second":
                current = [*current, self._context(current, valid_mask)]
            coupling = self._couple(logits, valid_mask)
            capsules = sum(term.combine(coupling) for term in current)
            if self.squash:
                capsules = self.squash_layer(capsules)
            if not last:
                agreement = sum(term.agree(capsules) for term in current)
                logits = logits + ops.cast(agreement, "float32")
        if self.output_kernel is not None:
            kernel = ops.cast(self.output_kernel[0], capsules.dtype)
            capsules = self.activation(
                ops.einsum("bkd,kde->bke", capsules, kernel)
            )
        return (capsules, coupling) if return_coupling else capsules

    def compute_output_spec(
        self, items, *args, return_coupling=False, **kwargs
    ):
        capsules = super().compute_output_spec(items, *args, **kwargs)
        if not return_coupling:
            return capsules
        shape = (*capsules.shape[:2], items.shape[-2])
        return capsules, keras.KerasTensor(shape, dtype="float32")

    def _first_term(self, items):
        """Equation 5; the same `W_i` for all positions need not be applied."""
        kernel = ops.cast(ops.convert_to_tensor(self.kernel), items.dtype)
        if self.projection == "shared":
            return Term(items, kernel[0])
        length = items.shape[1]
        if length is not None and length > self.max_length:
            raise ValueError(
                "A history must be at most `max_length` long, since "
                "each position has weights of its own. Received: length "
                f"{length}, max_length={self.max_length}"
            )
        kernel = kernel[: ops.shape(items)[1]]
        return Term(ops.einsum("bmd,mkde->bkme", items, kernel))

    def _first_logits(self, valid_mask, training):
        """Returns the routing logits before the first step, float32."""
        batch, length = ops.shape(valid_mask)
        shape = (batch, self.num_interests, length)
        if training and self.routing_noise:
            logits = keras.random.truncated_normal(
                shape,
                stddev=self.routing_noise,
                dtype="float32",
                seed=self.seed_generator,
            )
        else:
            logits = ops.zeros(shape, "float32")
        if self.prior is None:
            return logits
        return logits + self.prior(valid_mask)

    def _context(self, terms, valid_mask):
        """Equation 10: what the encoder adds to the one term so far."""
        (term,) = terms
        count, dim = self.num_interests, self.dim
        projected = term.projected()  # (batch, K, length, d)
        length = ops.shape(projected)[2]
        if self.encoder_input == "joint":
            items = ops.reshape(
                ops.transpose(projected, (0, 2, 1, 3)),
                (-1, length, count * dim),
            )
            encoded = self.encoder(items, valid_mask=valid_mask)
            encoded = ops.reshape(encoded, (-1, length, count, dim))
            return Term(ops.transpose(encoded, (0, 2, 1, 3)))
        items = ops.reshape(projected, (-1, length, dim))
        mask = ops.repeat(valid_mask, count, axis=0)
        encoded = self.encoder.read(items, mask)
        encoded = ops.reshape(encoded, (-1, count, length, encoded.shape[-1]))
        kernel = self.encoder.output_kernel
        if kernel is None:
            return Term(encoded)
        kernel = ops.convert_to_tensor(kernel)
        return Term(encoded, ops.cast(kernel, encoded.dtype))

    def _couple(self, logits, valid_mask):
        """Equation 6: (batch, K, length), 0 at invalid positions."""
        if self.routing_softmax == "items":
            return masked_softmax(logits, valid_mask[:, None, :])
        coupling = ops.softmax(logits, axis=1)
        return ops.where(valid_mask[:, None, :], coupling, 0.0)

    def compute_output_shape(self, items_shape, valid_mask_shape=None):
        return (items_shape[0], self.num_interests, items_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "routing_iterations": self.routing_iterations,
            "sequence_encoder": self.sequence_encoder,
            "encoder_initializer": keras.initializers.serialize(
                self.encoder_initializer
            ),
            "encoder_input": self.encoder_input,
            "encoded_iterations": self.encoded_iterations,
            "routing_softmax": self.routing_softmax,
            "routing_gradient": self.routing_gradient,
            "routing_noise": self.routing_noise,
            "routing_prior": self.routing_prior,
            "projection": self.projection,
            "squash": self.squash,
            "activation": keras.activations.serialize(self.activation),
            "projection_initializer": keras.initializers.serialize(
                self.projection_initializer
            ),
            "max_length": self.max_length,
            "seed": self.seed,
        }
