"""The batches of a worker with several devices."""

from collections.abc import Sequence

import tensorflow as tf


def in_turn(shares: Sequence[tf.data.Dataset]) -> tf.data.Dataset:
    """Returns the batches that the devices of a worker take by turns.

    Args:
        shares: the batches of each device, see `share` of
            `mgnm_tf.make_dataset`: which rows make up a batch, and their
            negatives, are functions of the seed, the epoch and the number of
            the batch, so the shares of all devices of all workers, put
            together, are the batch of one process. What belongs to the batch
            as a whole, such as its shared negatives, each of them has.
    """
    if len(shares) == 1:
        return shares[0]
    order = tf.data.Dataset.range(len(shares)).repeat()
    return tf.data.Dataset.choose_from_datasets(shares, order)
