"""Small made data sets for the tests of training and of the command line."""

from mgnm_tf.data.log import read_log
from mgnm_tf.data.steps.splits import split_log
from mgnm_tf.data.synthetic import make_world


def small_data(num_users=60, seed=0):
    """Returns a data set of 1 interest a user and 20 events a user."""
    world = make_world(
        num_users, 120, seed=seed, num_events=20 * num_users, num_interests=1
    )
    log = read_log(world, category_column="category")
    return split_log(log, "leave_one_out", name="small")
