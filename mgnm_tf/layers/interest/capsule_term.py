"""What capsules sum and compare, without forming it."""

from keras import ops


class Term:
    """A summand of what the capsules read, `z_j = x_j M`, never formed.

    Sum and product with `z_j` cost less where the matrix stands outside:
    `sum_j c_j z_j = (sum_j c_j x_j) M` and `o . z_j = (o M^T) . x_j`.

    Args:
        values: x, float, (batch, K, length, w), or (batch, length, w) where
            all capsules read the same.
        kernel: M, float, (w, d), or (K, w, d) with one for each capsule;
            `None` stands for the identity.
    """

    def __init__(self, values, kernel=None):
        self.values = values
        self.kernel = kernel

    def without_gradient(self):
        kernel = self.kernel
        if kernel is not None:
            kernel = ops.stop_gradient(kernel)
        return Term(ops.stop_gradient(self.values), kernel)

    def combine(self, coupling):
        """Equation 7: (batch, K, length) to the sums (batch, K, d)."""
        coupling = ops.cast(coupling, self.values.dtype)
        if len(self.values.shape) == 3:
            sums = ops.matmul(coupling, self.values)
        else:
            sums = ops.matmul(ops.expand_dims(coupling, 2), self.values)[
                :, :, 0
            ]
        if self.kernel is None:
            return sums
        return ops.einsum(f"bkw,{self._axes}->bkd", sums, self.kernel)

    def agree(self, capsules):
        """Equation 9: (batch, K, d) to the products (batch, K, length)."""
        if self.kernel is not None:
            capsules = ops.einsum(
                f"bkd,{self._axes}->bkw", capsules, self.kernel
            )
        if len(self.values.shape) == 3:
            return ops.matmul(capsules, ops.transpose(self.values, (0, 2, 1)))
        return ops.matmul(self.values, ops.expand_dims(capsules, -1))[..., 0]

    def projected(self):
        """Returns z, (batch, K, length, d)."""
        if self.kernel is None:
            return self.values
        count, width, dim = self.kernel.shape
        # One matrix product for all capsules.
        kernel = ops.reshape(
            ops.transpose(self.kernel, (1, 0, 2)), (width, count * dim)
        )
        projected = ops.reshape(
            ops.matmul(self.values, kernel),
            (-1, ops.shape(self.values)[1], count, dim),
        )
        return ops.transpose(projected, (0, 2, 1, 3))

    @property
    def _axes(self):
        return "wd" if len(self.kernel.shape) == 2 else "kwd"
