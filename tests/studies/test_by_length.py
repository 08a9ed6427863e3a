"""Metrics of a study by how many events come before the target."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluation import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.run import Run
from mgnm_tf.studies.by_length import by_length
from mgnm_tf.studies.packed_ranks import PackedRanks
from mgnm_tf.studies.run_study import run_study
from mgnm_tf.studies.study import Study
from mgnm_tf.studies.study_results import StudyResults

STUDY = Study(
    title="Lengths",
    data={"file": "log.csv"},
    models=("a", "b"),
    lengths=(1, 3, 6),
)
PROTOCOL = Protocol(negatives=50, k=2)


def results(lengths, negatives=50):
    """Two models, one with two seeds, whose ranks are known."""
    ranks = {("a", 0): [0, 1, 9, 9], ("a", 1): [0, 9, 9, 9]}
    ranks[("b", 0)] = [9, 9, 0, 1]
    evaluations = [
        Evaluation(
            PROTOCOL,
            pd.DataFrame(
                {
                    "user_id": list("wxyz"),
                    "item_id": "i",
                    "position": range(4),
                    "rank": np.array(one, np.float32),
                    "num_negatives": negatives,
                }
            ),
        )
        for one in ranks.values()
    ]
    rows = pd.DataFrame([*ranks], columns=["model", "seed"])
    packed = PackedRanks.pack(rows, evaluations, None, lengths)
    return StudyResults({}, PROTOCOL, ranks=packed)


def test_slices_by_hand():
    hit, mrr = by_length(STUDY, results(np.array([1, 2, 6, 70])))
    assert (hit.metric, mrr.metric) == ("hit@2", "mrr@2")
    # No record has 3 to 5 events before it.
    assert hit.records == {"1-2": 2, "6+": 2}
    assert hit.values == {
        "a": [[1.0, 0.5], [0.0, 0.0]],
        "b": [[0.0], [1.0]],
    }
    assert mrr.values["a"] == [[0.75, 0.5], [0.0, 0.0]]
    headings, rows = mrr.cells()
    assert headings == ["Model", "1-2", "6+"]
    texts = [[cell.text for cell in row] for row in rows]
    assert texts == [
        ["a", "0.6250", "0.0000"],
        ["b", "0.0000", "0.7500"],
        ["records", "2", "2"],
    ]
    assert [cell.mark for cell in rows[0]] == ["", "best", ""]


def test_records_without_a_negative_do_not_count():
    found = results(np.array([1, 2, 6, 70]), negatives=[50, 0, 50, 50])
    hit, _ = by_length(STUDY, found)
    assert hit.records == {"1-2": 1, "6+": 2}
    assert hit.values["a"] == [[1.0, 1.0], [0.0, 0.0]]


def test_other_studies_have_no_slices_and_old_ranks_no_lengths():
    found = results(None)
    table = dataclasses.replace(found)
    assert by_length(STUDY.model_copy(update={"lengths": ()}), table) == []
    with pytest.raises(UserError, match="not kept with these ranks; --again"):
        by_length(STUDY, found)


def write_sessions(path):
    """Sessions of 2 to 9 clicks on 30 items, the last tenth for testing."""
    random = np.random.default_rng(0)
    rows = []
    for session in range(1, 101):
        clicks = random.integers(1, 31, random.integers(2, 10))
        part = "test" if session > 90 else "train"
        for place, item in enumerate(clicks, start=1):
            rows.append((session, item, place, part))
    columns = ["session_id", "item_id", "position", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)


@pytest.mark.usefixtures("eagerly")
def test_figure_7_of_atten_mixer_on_small_data(tmp_path):
    write_sessions(tmp_path / "Diginetica.csv")
    options = {"only": ["atten_mixer", "srgnn"], "epochs": 1}
    made = run_study(
        "diginetica",
        data=tmp_path / "Diginetica.csv",
        out=tmp_path / "out",
        **options,
    )
    assert not made.failed
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "HIT@20 by the events before the target:" in text
    assert "| Model | 1-2 | 3-5 | 6-10 |" in text
    figure = (tmp_path / "out" / "figure.svg").read_text(encoding="utf-8")
    assert figure.startswith("<?xml")
    # From the ranks and the data of a run.
    evaluation = Evaluation.load(Run(tmp_path / "out/runs/srgnn/seed-0").ranks)
    data = SequenceDataset.load(tmp_path / "out" / "data")
    hits = {}
    for row in evaluation.samples.itertuples():
        session = data.sequences[row.position]
        place = row.position - data.offsets[session]
        bounds = "1-2" if place < 3 else "3-5" if place < 6 else "6-10"
        hits.setdefault(bounds, []).append(row.rank < 20)
    hit, _ = by_length(made.study, made.results)
    assert hit.records == {one: len(hits[one]) for one in sorted(hits)}
    for place, bounds in enumerate(sorted(hits)):
        (value,) = hit.values["srgnn"][place]
        assert value == pytest.approx(np.mean(hits[bounds]))
    # Data and runs are not needed to show it again.
    again = run_study("diginetica", out=tmp_path / "out", show=True, **options)
    assert by_length(again.study, again.results)[0].values == hit.values
