"""The sections on slices and on what is beyond accuracy."""

import json

import pandas as pd

from mgnm_tf.report.beyond_accuracy import show_beyond_accuracy
from mgnm_tf.report.palette import Palette
from mgnm_tf.report.slices import show_slices
from tests.report.test_tables import SUMMARY

SLICES = pd.DataFrame(
    [
        (model, seed, name, bounds, 10 * (1 + index), value + seed / 100)
        for model, value in (("mgnm", 0.5), ("gru", 0.4))
        for seed in (0, 1)
        for name in ("history length", "item popularity")
        for index, bounds in enumerate(("1-2", "3-5"))
    ],
    columns=["model", "seed", "slice", "bounds", "records", "ndcg@5"],
)
PALETTE = Palette(["popularity", "mgnm", "gru"])


def test_each_slice_has_a_figure_and_a_table():
    pictures, *tables = show_slices(SLICES, "ndcg@5", PALETTE, True)
    assert [picture.text for picture in pictures.pictures] == [
        "NDCG@5 of each model by history length",
        "NDCG@5 of each model by item popularity",
    ]
    assert pictures.names == ["mgnm", "gru"]
    assert len(tables) == 2
    for table in tables:
        assert table.headings == ["Model", "1-2", "3-5"]
        texts = [[cell.text for cell in row] for row in table.cells]
        assert texts == [
            ["mgnm", "0.5050", "0.5050"],
            ["gru", "0.4050", "0.4050"],
            ["records", "10", "20"],
        ]
        marks = [[cell.mark for cell in row[1:]] for row in table.cells]
        assert marks[:2] == [["best", "best"], ["", ""]]


def test_the_records_of_a_slice_stand_in_its_figure():
    pictures, *_ = show_slices(SLICES, "ndcg@5", PALETTE, True)
    for text in (">1-2<", ">10<", ">3-5<", ">20<"):
        assert text in pictures.pictures[0].svg


def test_a_slice_that_a_run_has_not_got_is_a_gap():
    fewer = SLICES.drop(index=SLICES.index[0])
    _, table, _ = show_slices(fewer, "ndcg@5", PALETTE, True)
    assert {len(row) for row in table.rows} == {3}
    only = SLICES[(SLICES["model"] == "gru") | (SLICES["bounds"] == "1-2")]
    _, table, _ = show_slices(only, "ndcg@5", PALETTE, True)
    assert [cell.text for cell in table.cells[0]] == ["mgnm", "0.5050", "-"]


def test_it_is_said_that_there_are_no_times():
    _, note, *_ = show_slices(SLICES, "ndcg@5", PALETTE, False)
    assert "no timestamps" in note.text
    assert show_slices(SLICES[:0], "ndcg@5", PALETTE, False) == []


def test_figures_are_means_over_the_runs_that_have_them(tmp_path):
    runs = {}
    for model, seed in (("mgnm", 0), ("mgnm", 1), ("item_knn", 0)):
        runs[model, seed] = tmp_path / f"{model}-{seed}"
        runs[model, seed].mkdir()
        if model == "mgnm":
            found = {
                "k": 5,
                "records": 1000,
                "coverage": 0.25 + 0.1 * seed,
                "novelty": 12.5,
                "gini": 0.9,
            }
            path = runs[model, seed] / "beyond_accuracy.json"
            path.write_text(json.dumps(found))
    table, note = show_beyond_accuracy(SUMMARY, "ndcg@5", runs)
    assert table.headings == [
        "Model",
        "NDCG@5",
        "coverage@5",
        "novelty@5",
        "Gini@5",
        "lists",
    ]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["mgnm"] == ["0.0300", "30.0%", "12.50", "0.900", "1,000"]
    assert rows["item_knn"] == ["0.0200", "-", "-", "-", "-"]
    assert "1,000 records" in note.text
    assert show_beyond_accuracy(SUMMARY, "ndcg@5", {}) == []
