"""Arrays on disk are read where they are."""

import numpy as np
import pytest

from mgnm_tf.data.batches.batch_plan import plan_batches
from mgnm_tf.data.batches.mapped_tensor import tensor_of
from mgnm_tf.data.batches.pipeline import make_dataset
from mgnm_tf.data.dataset import SequenceDataset
from tests.data.toy import toy_data

EVENTS, LENGTH = 8_000_000, 1000


def anonymous():
    """Returns the memory of this process that is no file, in bytes."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) << 10
    return pytest.skip("this system does not tell memory from files")


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64])
def test_a_mapped_array_is_a_tensor(kind, tmp_path):
    array = np.arange(100, dtype=kind)
    np.save(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    for one in (array, mapped, mapped[3:], mapped[::2]):
        tensor = tensor_of(one)
        assert tensor.dtype == kind
        np.testing.assert_array_equal(tensor.numpy(), one)
    address = tensor_of(mapped).__array__().ctypes.data
    assert address == mapped.ctypes.data
    # The tensor holds what it reads.
    tensor = tensor_of(np.load(tmp_path / "a.npy", mmap_mode="r"))
    del mapped
    np.testing.assert_array_equal(tensor.numpy(), array)


def test_batches_do_not_copy_the_events(tmp_path):
    """8 million events: 128 MB in items, times and sequences."""
    users = EVENTS // LENGTH
    parts = np.zeros(EVENTS, np.int8)
    parts[LENGTH - 1 :: LENGTH] = 1
    SequenceDataset(
        items=np.arange(EVENTS, dtype=np.int32) % 500 + 1,
        times=np.arange(EVENTS, dtype=np.int64),
        parts=parts,
        sequences=np.repeat(np.arange(1, users + 1, dtype=np.int32), LENGTH),
        offsets=np.concatenate([[0], np.arange(users + 1) * LENGTH]),
        user_ids=[str(n) for n in range(users)],
        item_ids=[str(n) for n in range(500)],
        num_users=users,
        metadata={"order_only": False},
    ).save(tmp_path / "data")
    del parts
    data = SequenceDataset.load(tmp_path / "data", verify=False)
    features = ["history_time"]

    def batches():
        stream = make_dataset(
            data, "validation", batch_size=64, max_length=20, features=features
        )
        return [batch["history"].shape for batch, _ in stream]

    before = anonymous()
    shapes = batches()
    after = anonymous()
    assert len(shapes) == users // 64
    assert after - before < 60e6


def test_an_array_in_memory_is_shared_if_asked():
    positions = plan_batches(toy_data(), "train", 32).positions
    expected = positions.copy()
    shared, copied = tensor_of(positions, share=True), tensor_of(positions)
    np.testing.assert_array_equal(shared, expected)
    positions[0] += 1
    assert shared[0] == positions[0]
    assert copied[0] == expected[0]
