"""Interests read off a history by routing between capsules."""

import keras
from keras import ops

from mgnm_tf.layers.interest.squash import Squash
from mgnm_tf.serialization import register
from mgnm_tf.utils.masking import masked_softmax
from mgnm_tf.utils.validation import check_positive_int


@register
class DynamicRouting(keras.layers.Layer):
    """Gathers a history into K capsules that the items choose themselves.

    With items `u_ik`, as capsule k sees item i, and routing logits `b_ik`:

    ```
    repeat `routing_iterations` times:
        c_ik = exp(b_ik) / sum_j exp(b_ij)
        v_k = squash(sum_i c_ik w_ik u_ik)         w = 1 unless given
        b_ik = b_ik + u_ik . v_k              but for the last time
    ```

    An item thus shares itself out among the capsules; it is not the items
    that compete for a capsule. The gradient takes one way only, through the
    last sum: couplings count as constants.

    Where the first logits are alike for all capsules, and so are the items,
    all capsules stay alike for ever: give logits then.

    Args:
        num_interests: number of capsules K.
        routing_iterations: how often coupling and capsules are computed.
            Defaults to `3`.
        **kwargs: arguments of `keras.layers.Layer`.

    Call arguments:
        items: float, (batch, length, d) for items that look the same to all
            capsules, or (batch, K, length, d).
        valid_mask: bool, (batch, length); `None` if all items count.
        logits: float, the first routing logits, (batch, K, length) or what
            broadcasts against it; `None` for zero.
        active_mask: bool, (batch, K), the capsules that take part; `None`
            for all.
        weights: float, (batch, K, length), none below 0: what an item counts
            for a capsule besides its coupling; `None` for 1.
        return_coupling: bool; returns the last coupling, too, when true.

    Returns:
        float, (batch, K, d), each vector shorter than 1; with
        `return_coupling` also the last c, times `weights`, float32, (batch,
        K, length).

    Masking: an invalid item adds nothing to a capsule. A capsule without a
    valid item, or one that takes no part, is zero.

    Example:

    >>> import numpy as np
    >>> from mgnm_tf.layers import DynamicRouting
    >>> items = np.ones((2, 4, 5, 8), "float32")
    >>> DynamicRouting(num_interests=4)(items).shape
    TensorShape([2, 4, 8])

    Reference: Sabour et al., "Dynamic Routing Between Capsules", NIPS 2017,
    procedure 1; stopped gradients and the mask behind the softmax as in
    THUDM/ComiRec. The weights are ours; they learn by the last sum.
    """

    def __init__(
        self, num_interests: int, routing_iterations: int = 3, **kwargs
    ):
        check_positive_int(num_interests, "num_interests")
        check_positive_int(routing_iterations, "routing_iterations")
        super().__init__(**kwargs)
        self.num_interests = num_interests
        self.routing_iterations = routing_iterations
        self.squash = Squash(name="squash", dtype=self.dtype_policy)
        self.built = True

    def call(
        self,
        items,
        valid_mask=None,
        logits=None,
        active_mask=None,
        weights=None,
        return_coupling=False,
    ):
        own = "k" if len(items.shape) == 4 else ""
        batch, length = ops.shape(items)[0], ops.shape(items)[-2]
        shape = (batch, self.num_interests, length)
        if valid_mask is None:
            valid_mask = ops.ones((batch, length), "bool")
        counts = ops.broadcast_to(valid_mask[:, None, :], shape)
        if active_mask is not None:
            counts = ops.logical_and(counts, active_mask[:, :, None])
        if logits is None:
            logits = ops.zeros(shape, "float32")
        logits = ops.cast(ops.stop_gradient(logits), "float32")
        fixed = ops.stop_gradient(items)
        for step in range(self.routing_iterations):
            last = step == self.routing_iterations - 1
            # Over the capsules of an item: zero where the item is invalid.
            coupling = masked_softmax(logits, counts, axis=1)
            if weights is not None:
                coupling = coupling * ops.cast(
                    weights if last else ops.stop_gradient(weights), "float32"
                )
            capsules = self.squash(
                ops.einsum(
                    f"bkm,b{own}md->bkd",
                    ops.cast(coupling, items.dtype),
                    items if last else fixed,
                )
            )
            if not last:
                agreement = ops.einsum(f"bkd,b{own}md->bkm", capsules, fixed)
                logits = logits + ops.cast(agreement, "float32")
        return (capsules, coupling) if return_coupling else capsules

    def compute_output_spec(
        self, items, *args, return_coupling=False, **kwargs
    ):
        capsules = super().compute_output_spec(items, *args, **kwargs)
        if not return_coupling:
            return capsules
        shape = (*capsules.shape[:2], items.shape[-2])
        return capsules, keras.KerasTensor(shape, dtype="float32")

    def compute_output_shape(
        self,
        items_shape,
        valid_mask_shape=None,
        logits_shape=None,
        active_mask_shape=None,
        weights_shape=None,
    ):
        return (items_shape[0], self.num_interests, items_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_interests": self.num_interests,
            "routing_iterations": self.routing_iterations,
        }
