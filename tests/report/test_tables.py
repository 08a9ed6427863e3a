import copy
import io

import pytest
from rich.console import Console

from mgnm_tf.report.tables import FOOTNOTE
from mgnm_tf.report.tables import comparison_cells
from mgnm_tf.report.tables import terminal_table


def entry(gauc, ndcg, seeds=(0,), std=0.0, pvalues=()):
    return {
        "test": {"gauc": gauc, "ndcg@5": ndcg},
        "std": {"gauc": std, "ndcg@5": std},
        "seeds": list(seeds),
        "positives_per_second": 12345.6,
        "seconds_per_epoch": 4.56,
        "peak_memory": 1234.5,
        "parameters": 7890,
        "pvalues": dict(pvalues),
    }


SUMMARY = {
    "model": "mgnm",
    "protocol": {"part": "test"},
    "models": {
        "popularity": entry(0.5, 0.0123),
        "item_knn": entry(0.7, 0.02, pvalues={"ndcg@5": 0.04}),
        "mgnm": entry(
            0.6, 0.03, seeds=(0, 1), std=0.004, pvalues={"gauc": 0.06}
        ),
    },
    "best": {"gauc": "item_knn", "ndcg@5": "mgnm"},
    "failed": [
        {"model": "gru4rec", "seed": 0, "error": "x"},
        {"model": "popularity", "seed": 1, "error": "x"},
    ],
}


def cells():
    headings, rows = comparison_cells(SUMMARY)
    return headings, {row[0].text: row for row in rows}


def test_headings():
    headings, _ = cells()
    assert headings == [
        "Model",
        "GAUC",
        "NDCG@5",
        "positives/s",
        "s/epoch",
        "MiB",
        "parameters",
    ]


def test_best_second_and_star():
    _, rows = cells()
    mgnm, knn = rows["mgnm"], rows["item_knn"]
    assert (mgnm[2].text, mgnm[2].mark) == ("0.0300 ± 0.0040", "best")
    assert (mgnm[1].text, mgnm[1].mark) == ("0.6000 ± 0.0040", "second")
    assert (knn[1].text, knn[1].mark) == ("0.7000", "best")
    assert (knn[2].text, knn[2].mark) == ("0.0200*", "second")
    figures = ["12,346", "4.6", "1,234", "7,890"]
    assert [cell.text for cell in knn[3:]] == figures


def test_no_star_without_a_test():
    summary = copy.deepcopy(SUMMARY)
    summary["models"]["item_knn"]["pvalues"] = {}
    _, rows = comparison_cells(summary)
    assert not any("*" in cell.text for row in rows for cell in row)


def test_the_footnote_says_what_a_star_is():
    assert "seeds and users both taken as drawn at random" in FOOTNOTE
    assert "needs three seeds" in FOOTNOTE


def test_failures_are_told():
    _, rows = cells()
    assert rows["popularity (failed: seed 1)"][2].text == "0.0123"
    assert rows["gru4rec (failed)"][2].text == "-"


def test_equal_values_are_equally_good():
    summary = copy.deepcopy(SUMMARY)
    summary["models"]["popularity"]["test"]["gauc"] = 0.7
    _, rows = comparison_cells(summary)
    assert [row[1].mark for row in rows[:3]] == ["best", "best", "second"]


def test_nothing_but_failures():
    summary = {"models": {}, "best": {}, "failed": SUMMARY["failed"][:1]}
    _, rows = comparison_cells(summary)
    assert [cell.text for cell in rows[0]] == [
        "gru4rec (failed)",
        "-",
        "-",
        "-",
        "-",
    ]


def test_published_values_stand_to_the_right_of_ours():
    headings, rows = comparison_cells(
        SUMMARY, published={"mgnm": {"ndcg@5": 0.035}}
    )
    assert headings[:4] == ["Model", "GAUC", "NDCG@5", "published"]
    found = {row[0].text: row[3].text for row in rows}
    assert found["mgnm"] == "0.0350" and found["item_knn"] == "-"
    assert {len(row) for row in rows} == {len(headings)}


def test_terminal_table_is_plain_in_a_file_and_styled_on_a_terminal():
    file = io.StringIO()
    Console(file=file, width=80).print(terminal_table(SUMMARY, 80))
    assert "0.0200*" in file.getvalue()
    assert "\x1b" not in file.getvalue()
    assert max(map(len, file.getvalue().splitlines())) <= 80
    terminal = io.StringIO()
    console = Console(file=terminal, width=80, force_terminal=True)
    console.print(terminal_table(SUMMARY))
    assert "\x1b[1m0.7000" in terminal.getvalue()
    assert "\x1b[4m0.6000" in terminal.getvalue()


LONG = "mgnm:recommended+self_attention_for_capsules"


def printed(summary, width):
    """Returns heading and rows as a terminal of a width shows them."""
    file = io.StringIO()
    console = Console(file=file, width=width)
    console.print(terminal_table(summary, width), soft_wrap=False, crop=False)
    heading, _, table = file.getvalue().partition("─")
    return heading, table.lstrip("─\n").split("Best in bold")


@pytest.mark.parametrize(
    ("width", "last", "left_out"),
    [
        (200, "parameters", None),
        (84, "MiB", "parameters"),
        (79, "/epoch", "MiB, parameters"),
        (60, "NDCG@5", "positives/s, s/epoch, MiB, parameters"),
        (20, "NDCG@5", "positives/s, s/epoch, MiB, parameters"),
    ],
)
def test_names_never_wrap_and_columns_go_from_the_right(width, last, left_out):
    summary = copy.deepcopy(SUMMARY)
    summary["models"][LONG] = summary["models"].pop("item_knn")
    summary["best"]["gauc"] = LONG
    heading, (rows, caption) = printed(summary, width)
    assert heading.split()[-1] == last
    (line,) = [line for line in rows.splitlines() if LONG in line]
    assert line.split()[:3] == [LONG, "0.7000", "0.0200*"]
    assert len(rows.splitlines()) == 4
    caption = " ".join(caption.split())
    if left_out is None:
        assert "report.html" not in caption
    else:
        assert caption.endswith(f"in report.html: {left_out}.")
    if width > 60:
        assert all(len(line) <= width for line in rows.splitlines())


def test_many_metrics_are_left_out_before_the_first():
    summary = copy.deepcopy(SUMMARY)
    for entry in summary["models"].values():
        for k in (10, 20):
            entry["test"][f"ndcg@{k}"] = entry["std"][f"ndcg@{k}"] = 0.1
    summary["best"] |= {"ndcg@10": "mgnm", "ndcg@20": "mgnm"}
    heading, (rows, caption) = printed(summary, 52)
    assert heading.split() == ["Model", "GAUC", "NDCG@5", "NDCG@10"]
    caption = " ".join(caption.split())
    assert "Left out here, in report.html: NDCG@20, positives/s" in caption
