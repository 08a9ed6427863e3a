"""Who names the model alone hears of the recipe for their data."""

from dataclasses import replace

import numpy as np

from mgnm_tf.runs.config import configure
from mgnm_tf.training.remarks import remarks_on
from tests.training.worlds import small_data

DATA = small_data()


def split_by(method):
    return replace(DATA, metadata={"split": {"method": method}})


def test_sessions_have_recipes_of_their_own():
    for method in ("sessions", "last_share", "last_days"):
        (remark,) = remarks_on(configure("mgnm"), split_by(method))
        assert "mgnm+sessions, or --validation-exclude none" in remark
        (remark,) = remarks_on(configure("sasrec"), split_by(method))
        assert "sasrec+sessions" not in remark
        assert "--validation-exclude none --validation-neg" in remark
        # Made for sessions, put together, or asked as sessions are.
        for label in ("niser_plus", "mgnm+sessions", "mgnm:paper"):
            assert not remarks_on(configure(label), split_by(method))
        asked = configure("mgnm", validation_exclude="none")
        assert not remarks_on(asked, split_by(method))
    assert not remarks_on(configure("mgnm"), split_by("leave_one_out"))


def test_long_histories_have_a_part():
    offsets = np.concatenate([[0], np.arange(61) * 50])
    longer = replace(DATA, offsets=offsets)
    (remark,) = remarks_on(configure("mgnm"), longer)
    assert remark.startswith("Half of the users have 50 events or more")
    assert "mgnm+long_history" in remark
    # Those that have no such part need no word.
    assert not remarks_on(configure("sasrec"), longer)
    shorter = replace(DATA, offsets=np.concatenate([[0], np.arange(61) * 49]))
    assert not remarks_on(configure("mgnm"), shorter)
