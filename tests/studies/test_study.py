"""Study files: read, refused, and those of the project."""

import dataclasses
import json

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.studies.listing import list_studies
from mgnm_tf.studies.study import find_study
from mgnm_tf.studies.study import read_study
from mgnm_tf.studies.study import study_folder
from mgnm_tf.studies.study import study_names
from mgnm_tf.studies.study_results import StudyResults
from mgnm_tf.studies.study_runs import planned
from mgnm_tf.studies.study_runs import protocol_of
from mgnm_tf.studies.study_runs import shortened

BASE = """
title = "A study"
models = ["popularity", "item_knn"]

[data]
file = "log.csv"
"""


def written(tmp_path, text):
    path = tmp_path / "a.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "[axis]\na = [1]\nb = [2]\n", "one axis at most. .*a, b"),
        (BASE + "[axis]\na = [1]\n", 'show = "figure"'),
        (BASE + "[axis]\na = []\n", "a needs values that differ"),
        (BASE + "[axis]\na = [1, 1]\n", "a needs values that differ"),
        (
            'show = "levels"\n' + BASE + '[published]\nsource = "a"\n'
            'values = {popularity = {"hit@5" = 0.5}}\n',
            "a figure shows none",
        ),
        (BASE.replace("title", "name"), "Unknown key 'name'"),
        (BASE.replace('title = "A study"', ""), "`title` is missing"),
        (
            'show = "time"\nlengths = [1, 6]\n' + BASE,
            "show='time', lengths=\\[1, 6\\]",
        ),
        ("lengths = [2, 6]\n" + BASE, "ascend from 1"),
        ("lengths = [1, 6, 3]\n" + BASE, "ascend from 1"),
        ("lengths = [0, 1]\n" + BASE, "at least 1"),
        ('show = "plot"\n' + BASE, "Unknown show 'plot'"),
        (BASE + "[protocol]\nnegative = 5\n", "option 'negative'"),
        (BASE + "[protocol]\nnegatives = 0\n", "`negatives` must be"),
        (BASE + "[overrides]\nsasrec = {dropout = 0.1}\n", "'sasrec'"),
        (
            BASE + '[published]\nsource = "a paper"\n'
            'values = {popularity = {"hit@20" = 0.5}}\n',
            "popularity for hit@20, which this study does not measure",
        ),
        (
            BASE + '[published]\nsource = "a paper"\n'
            'values = {mind = {"hit@5" = 0.5}}\n',
            "Unknown model of \\[published\\] 'mind'",
        ),
        (
            BASE + "[seeds_of]\nmgnm = [1]\n",
            "Unknown model of \\[seeds_of\\] 'mgnm'",
        ),
        (BASE.replace("file", "place"), "'place'"),
        (BASE + 'recipe = "planted"\n', "one of `recipe`, `file` and `world`"),
        (BASE + "world = {seed = 1}\n", "one of `recipe`, `file` and `world`"),
        (
            BASE.replace('file = "log.csv"', "world = {users = 1}"),
            "argument of .data.world. 'users'",
        ),
        (BASE + "options = {spilt = 1}\n", "option of .data. 'spilt'"),
        (BASE.replace("models", "seeds"), "`seeds` must be an integer"),
        ('show = "data"\n' + BASE, 'unless it has show = "data"'),
        (BASE + "[", "is no TOML"),
    ],
)
def test_a_wrong_study_is_refused(text, message, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=message):
        read_study(path)


def test_unknown_studies_are_told(tmp_path):
    with pytest.raises(UserError, match="Unknown study 'toys-temporl'"):
        find_study("toys-temporl")
    with pytest.raises(UserError, match="There is no study file .*b.toml"):
        find_study(tmp_path / "b.toml")


def test_a_study_is_shortened(tmp_path):
    text = BASE + "[overrides]\nepochs = 9\nitem_knn = {epochs = 3}\n"
    path = written(tmp_path, text)
    study = read_study(path)
    short = shortened(study, path, [1, 2], ["item_knn"], 1)
    runs = planned(short, path)
    assert [(run.label, run.config.seed) for run in runs] == [
        ("item_knn", 1),
        ("item_knn", 2),
    ]
    assert {run.config.epochs for run in runs} == {1}
    with pytest.raises(UserError, match="model of .* 'mgnm'"):
        shortened(study, path, None, ["mgnm"], None)


def test_a_model_may_have_seeds_of_its_own(tmp_path):
    path = written(tmp_path, BASE + "[seeds_of]\nitem_knn = [0, 2]\n")
    study = read_study(path)
    assert [(run.label, run.config.seed) for run in planned(study, path)] == [
        ("popularity", 0),
        ("item_knn", 0),
        ("item_knn", 2),
    ]
    for wrong, message in (("[]", "at least one seed"), ("[1, 1]", "once")):
        text = BASE + f"[seeds_of]\nitem_knn = {wrong}\n"
        other = written(tmp_path, text)
        with pytest.raises(UserError, match=message):
            planned(read_study(other), other)
    short = shortened(study, path, [1], None, None)
    assert [run.config.seed for run in planned(short, path)] == [1, 1]


@pytest.mark.parametrize("name", study_names())
def test_every_study_of_the_project_can_be_planned(name):
    path = find_study(name)
    study = read_study(path)
    assert study.title
    results = StudyResults.load(path.parent / "results" / name)
    if study.show == "data":
        return
    runs = planned(study, path)
    assert len({run.folder for run in runs}) == len(runs)
    if results is not None:
        # The kept results are of what the file and the recipes say today.
        results.check_same(runs, protocol_of(study, runs))


def test_the_list_says_what_was_run():
    rows = {row[0]: row for row in list_studies()}
    assert list(rows) == study_names()
    _, runs, last, title = rows["toys-leave-one-out"]
    assert title.startswith("Amazon Toys and Games")
    assert runs == "35 of 35" and last.startswith("2026-")


def test_kept_results_of_other_options_are_refused():
    path = find_study("toys-ideas")
    study = read_study(path)
    results = StudyResults.load(study_folder() / "results" / "toys-ideas")
    other = study.model_copy(update={"overrides": {"epochs": 3}})
    protocol = protocol_of(study, planned(study, path))
    with pytest.raises(UserError, match="epochs is 3, was 16.*--again"):
        results.check_same(planned(other, path), protocol)
    other = dataclasses.replace(protocol, negatives=7)
    with pytest.raises(UserError, match="negatives is 7, was 1000"):
        results.check_same(planned(study, path), other)


def test_published_numbers_are_those_of_the_papers():
    """A slip of the finger in a study file would pass every other test."""
    table = read_study(find_study("mgnm-table-2-instruments")).published
    assert table.values["mgnm:paper"]["gauc"] == 0.7480
    assert json.loads(json.dumps(table.values["tgsrec"]))["hit@5"] == 0.1653
