"""A study is made, resumed, kept and shown."""

import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from mgnm_tf.cli.app import app
from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.interest_divergence import divergence_shares
from mgnm_tf.evaluation.interest_divergence import interest_divergences
from mgnm_tf.runs.run import Run
from mgnm_tf.studies import runner
from mgnm_tf.studies.estimate import Estimate
from mgnm_tf.studies.run_study import run_study
from mgnm_tf.studies.study import read_study
from mgnm_tf.studies.study_results import StudyResults
from mgnm_tf.studies.study_tables import study_table
from mgnm_tf.training import length

TEXT = """
title = "Counting models"
models = ["popularity", "item_knn"]
seeds = [0, 1]

[data]
file = "log.csv"

[protocol]
negatives = 50

[published]
source = "A paper, table 1"
values = {item_knn = {"ndcg@5" = 0.25}}
"""

AXIS = """
title = "Over K"
models = ["mgnm"]
show = "figure"

[data]
file = "log.csv"

[protocol]
negatives = 50

[overrides]
epochs = 1
embedding_dim = 4
max_length = 8
shared_negatives = 20

[axis]
num_interests = [1, 2]
"""


WATCHED = """
title = "Watched"
models = ["youtube_dnn", "popularity"]

[data]
file = "log.csv"

[protocol]
negatives = 50

[overrides]
epochs = 2
max_length = 8
shared_negatives = 20
watch_test = true
"""


def write_log(path, seed=0):
    world = make_world(60, 120, seed=seed, num_events=1200, num_interests=1)
    world.to_csv(path, index=False)


def write_place(folder):
    (folder / "studies").mkdir()
    (folder / "studies" / "counting.toml").write_text(TEXT)
    write_log(folder / "log.csv")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a study and its log, and nowhere else to look."""
    monkeypatch.chdir(tmp_path)
    write_place(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A place where the study was made and kept, and its result."""
    folder = tmp_path_factory.mktemp("counted")
    write_place(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, run_study("studies/counting.toml", keep=True)


@pytest.fixture
def kept_place(counted, tmp_path, monkeypatch):
    """A copy of that place, to work in."""
    place = shutil.copytree(counted[0], tmp_path / "place")
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def unmeasured(monkeypatch):
    """No steps are measured to tell how long the runs may take."""
    none = Estimate(start=0.0, epoch=0.0, epochs=0)
    monkeypatch.setattr(runner, "estimate_run", lambda data, config: none)


def no_training(monkeypatch):
    def train(*arguments, **settings):
        raise AssertionError("nothing was to be trained")

    monkeypatch.setattr(runner, "train", train)


def mgnm(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_a_study_is_made_kept_and_shown_without_its_data(
    counted, kept_place, monkeypatch
):
    place, (_, made) = kept_place, counted
    assert not made.failed
    assert made.folder.as_posix() == "runs/studies/counting"
    kept = place / "studies" / "results" / "counting"
    assert {path.name for path in kept.iterdir()} == {
        *("ranks.npz", "study.json", "table.md", "page.html")
    }
    (origin,) = StudyResults.load(kept).made
    assert len(origin["runs"]) == 4 and origin["date"] and origin["device"]
    text = (kept / "table.md").read_text()
    assert "| NDCG@5 | published |" in text and "| 0.2500 |" in text
    assert "A paper, table 1" in text
    # Neither data nor runs are needed any more.
    shutil.rmtree(place / "runs")
    (place / "log.csv").unlink()
    no_training(monkeypatch)
    done = mgnm("study", "studies/counting.toml")
    assert done.exit_code == 0, done.output
    table = [line for line in text.splitlines() if line.startswith("|")]
    for line in table[:4]:
        assert line in done.output
    done = mgnm("study", "studies/counting.toml", "--later-only")
    assert done.exit_code == 0, done.output


def test_only_what_is_missing_is_made(place, monkeypatch):
    run_study("studies/counting.toml", seeds=[0])
    made, original = [], runner.train

    def train(data, config, *arguments, **settings):
        made.append((config.model, config.seed))
        return original(data, config, *arguments, **settings)

    monkeypatch.setattr(runner, "train", train)
    done = run_study("studies/counting.toml")
    assert made == [("popularity", 1), ("item_knn", 1)]
    assert len(done.results.runs) == 4 and len(done.results.made) == 2
    no_training(monkeypatch)
    again = run_study("studies/counting.toml").results
    assert len(again.made) == 2
    # A shorter look does not lose the others, and tells who made its own.
    short = run_study("studies/counting.toml", seeds=[1], only=["popularity"])
    assert short.results.runs == [("popularity", 1)]
    assert len(short.results.made) == 1
    shutil.rmtree(place / "runs/studies/counting/runs")
    assert len(run_study("studies/counting.toml").results.runs) == 4


def test_data_that_changed_are_refused(place):
    run_study("studies/counting.toml", seeds=[0], only=["popularity"])
    (place / "other").mkdir()
    write_log(place / "other" / "log.csv", seed=1)
    before = (place / "log.csv").read_text()
    done = mgnm("study", "studies/counting.toml", "--data", "other/log.csv")
    assert done.exit_code == 1
    assert "before other/log.csv changed" in " ".join(done.output.split())
    # The same, where the file itself is another.
    write_log(place / "log.csv", seed=1)
    done = mgnm("study", "studies/counting.toml", "--show")
    assert done.exit_code == 0, done.output
    done = mgnm("study", "studies/counting.toml")
    assert done.exit_code == 1
    assert "before log.csv changed" in " ".join(done.output.split())
    shutil.rmtree(place / "runs/studies/counting/data")
    done = mgnm("study", "studies/counting.toml")
    assert done.exit_code == 1
    assert "their fingerprint is" in " ".join(done.output.split())
    # Without the results, the runs themselves tell their data.
    (place / "runs/studies/counting/study.json").unlink()
    done = mgnm("study", "studies/counting.toml", "--again")
    assert done.exit_code == 1
    assert "was made on other data" in " ".join(done.output.split())
    (place / "log.csv").write_text(before)
    shutil.rmtree(place / "runs/studies/counting/data")
    done = mgnm("study", "studies/counting.toml", "--seeds", 0)
    assert done.exit_code == 0, done.output


def test_kept_results_do_not_count_again(kept_place, monkeypatch):
    made, original = [], runner.train

    def train(data, config, *arguments, **settings):
        made.append(config.model)
        return original(data, config, *arguments, **settings)

    monkeypatch.setattr(runner, "train", train)
    run_study("studies/counting.toml", again=True, out="new", seeds=[0])
    assert made == ["popularity", "item_knn"]


def test_what_cannot_be_done_is_said(place):
    (place / "log.csv").unlink()
    for arguments, message in (
        (["studies/counting.toml"], "needs the log log.csv"),
        (["studies/counting.toml", "--data", "a.csv"], "There is no log a.csv"),
        (["studies/counting.toml", "--show"], "was not run yet"),
        (["studies/counting.toml", "--keep", "--seeds", 1], "cannot be kept"),
        (["mgnm-figure-5", "--later-only"], "says nothing of the study"),
        ([], "Give the name of a study, or --list alone."),
    ):
        done = mgnm("study", *arguments)
        assert done.exit_code == 1, done.output
        assert message in " ".join(done.output.split())


def test_a_part_of_a_study_is_not_kept(place):
    run_study("studies/counting.toml", seeds=[0])
    with pytest.raises(UserError, match="2 of 4 runs are there"):
        run_study("studies/counting.toml", show=True, keep=True)
    assert not (place / "studies" / "results").exists()
    with pytest.raises(UserError, match="`jobs` must be at least 1"):
        run_study("studies/counting.toml", jobs=0)


def test_fewer_epochs_are_shown_as_well(place):
    run_study("studies/counting.toml", seeds=[0], epochs=1)
    shown = run_study("studies/counting.toml", seeds=[0], epochs=1, show=True)
    assert len(shown.results.runs) == 2


def test_a_run_that_fails_does_not_end_the_others(place, monkeypatch):
    original = runner.train

    def train(data, config, *arguments, **settings):
        if config.model == "item_knn":
            raise RuntimeError("broken")
        return original(data, config, *arguments, **settings)

    monkeypatch.setattr(runner, "train", train)
    done = mgnm("study", "studies/counting.toml", "--seeds", 0)
    assert done.exit_code == 1 and "1 of the runs failed" in done.output
    assert "| `popularity` |" in done.output
    with pytest.raises(UserError, match="None of the 1 runs.*broken"):
        run_study("studies/counting.toml", seeds=[1], only=["item_knn"])


@pytest.mark.usefixtures("eagerly")
def test_a_figure_over_an_axis(place):
    (place / "studies" / "axis.toml").write_text(AXIS)
    made = run_study("studies/axis.toml")
    assert [label for label, _ in made.results.runs] == [
        "mgnm num_interests=1",
        "mgnm num_interests=2",
    ]
    configs = made.results.configs
    assert configs["mgnm num_interests=2"]["options"]["num_interests"] == 2
    assert (made.folder / "figure.svg").read_text().startswith("<?xml")
    runs = made.folder / "runs"
    assert (runs / "mgnm_num_interests-1" / "seed-0").is_dir()


@pytest.mark.usefixtures("eagerly", "unmeasured")
def test_the_first_stage_of_a_model_follows_the_axis(place, monkeypatch):
    # The stage has the epochs of its own recipe, which so small a log has
    # more of.
    monkeypatch.setattr(length, "MOST_TIMES", 1)
    text = AXIS.replace('"mgnm"', '"timirec"').replace("[1, 2]", "[2, 3]")
    (place / "studies" / "stages.toml").write_text(text)
    made = run_study("studies/stages.toml")
    assert not made.failed
    for count in (2, 3):
        run = made.folder / f"runs/timirec_num_interests-{count}/seed-0"
        for folder in (run, run / "stage"):
            assert Run(folder).config.options["num_interests"] == count


@pytest.mark.usefixtures("eagerly", "unmeasured")
def test_levels_and_time(place):
    text = AXIS.replace('"figure"', '"levels"').partition("[axis]")[0]
    (place / "studies" / "levels.toml").write_text(text)
    made = run_study("studies/levels.toml")
    shares = made.results.levels["mgnm"]["0"]
    assert len(shares) == 2 and sum(shares) == pytest.approx(1)
    assert "| level 0 |" in (made.folder / "table.md").read_text()
    without = text.replace('["mgnm"]', '["popularity"]')
    without = without.partition("[overrides]")[0]
    (place / "studies" / "without.toml").write_text(without)
    with pytest.raises(UserError, match="popularity has no levels"):
        run_study("studies/without.toml")
    mixed = text.replace(
        "[overrides]", "[overrides]\ndistillation_temperature = 1.0"
    )
    (place / "studies" / "mixed.toml").write_text(mixed)
    with pytest.raises(UserError, match="mgnm has no levels"):
        run_study("studies/mixed.toml")
    text = text.replace('"levels"', '"time"')
    (place / "studies" / "time.toml").write_text(text)
    made = run_study("studies/time.toml")
    assert "| ms/step | steps/epoch |" in (made.folder / "table.md").read_text()


@pytest.mark.usefixtures("eagerly", "unmeasured")
def test_divergences(place):
    text = AXIS.replace('"figure"', '"divergences"').partition("[axis]")[0]
    text = text.replace('["mgnm"]', '["mgnm", "comirec_sa"]')
    path = place / "studies" / "divergences.toml"
    path.write_text(text)
    made = run_study(path)
    for label in ("mgnm", "comirec_sa"):
        run = Run(made.folder / "runs" / label / "seed-0")
        data = SequenceDataset.load(made.folder / "data")
        protocol = made.results.protocol
        model = run.load_model()
        one = replace(protocol, negatives=1)
        first, drawn = (
            divergence_shares(found)
            for found in (
                interest_divergences(model, data, protocol),
                interest_divergences(model, data, one, drawn=True),
            )
        )
        assert made.results.levels[label]["0"] == [*first, *drawn]
        assert sum(first) == pytest.approx(1) == sum(drawn)
        assert (
            f"| `{label}, drawn item` | {drawn[0]:.3f} |"
            in (made.folder / "table.md").read_text()
        )
    table = (made.folder / "table.md").read_text()
    assert "| Model | to 0.1 | to 0.2 |" in table
    assert "of the one that is recommended first; and of one that" in table
    assert (made.folder / "figure.svg").is_file()
    done = mgnm("study", path)
    assert "to 0.1" in done.output, done.output
    path.write_text(text.replace('"mgnm", "comirec_sa"', '"youtube_dnn"'))
    with pytest.raises(UserError, match="youtube_dnn has not got several int"):
        run_study(path, out="other")


LENGTHS = """
title = "Lengths"
models = ["item_knn", "popularity"]

[data]
file = "log.csv"

[protocol]
negatives = 50
exclude = "user"

[overrides]
max_length = 8
item_knn = {max_length = 4}
"""


def test_a_model_may_have_a_history_length_of_its_own(place, monkeypatch):
    path = place / "studies" / "lengths.toml"
    path.write_text(LENGTHS)
    made = run_study(path, keep=True)
    lengths = [
        Run(made.folder / "runs" / label / "seed-0").config.max_length
        for label in ("item_knn", "popularity")
    ]
    assert lengths == [4, 8] and made.results.protocol.max_length == 8
    # What one model ranks by itself is of the same study.
    one = run_study(path, only=["item_knn"], again=True, out="other")
    assert one.results.protocol.max_length == 4
    no_training(monkeypatch)
    both = run_study(path, out="other")
    assert not both.failed and sorted(both.results.runs) == [
        ("item_knn", 0),
        ("popularity", 0),
    ]
    path.write_text(LENGTHS.replace('exclude = "user"', ""))
    with pytest.raises(UserError, match="item_knn reads histories of 4 events"):
        run_study(path)


def test_the_size_of_data(place):
    text = 'title = "Data"\nshow = "data"\n[data]\nfile = "log.csv"\n'
    (place / "studies" / "size.toml").write_text(text)
    made = run_study("studies/size.toml", keep=True)
    assert "| `here` | 60 |" in (made.folder / "table.md").read_text()
    (place / "log.csv").unlink()
    assert mgnm("study", "studies/size.toml").exit_code == 0


@pytest.mark.usefixtures("eagerly", "unmeasured")
def test_what_published_code_would_report_has_columns_of_its_own(place):
    (place / "studies" / "watched.toml").write_text(WATCHED)
    made = run_study("studies/watched.toml")
    lines = (made.folder / "table.md").read_text().splitlines()
    (head,) = (line for line in lines if line.startswith("| Model"))
    assert head.endswith(
        "| NDCG@5, validation "
        "| HIT@5, best epoch on test | MRR@5, best epoch on test |"
    )
    table = made.results.ranks.table.set_index("model")
    best = table.loc["youtube_dnn", "best_on_test_hit@5"]
    assert best >= table.loc["youtube_dnn", "hit@5"]
    (row,) = (line for line in lines if line.startswith("| `youtube_dnn"))
    assert row.split(" | ")[-2] == f"{best:.4f}"
    validated = Run(made.folder / "runs" / "youtube_dnn" / "seed-0").validated
    assert row.split(" | ")[-3] == f"{validated:.4f}"
    (row,) = (line for line in lines if line.startswith("| `popularity"))
    assert row.endswith("| - | - | - |")


def test_a_kept_run_without_its_validation_has_none_in_the_table(place):
    def last_cells(table):
        made = replace(results, ranks=replace(results.ranks, table=table))
        headings, rows = study_table(study, made)
        return headings[-1], [row[-1].text for row in rows]

    study = read_study("studies/counting.toml")
    results = run_study("studies/counting.toml").results
    table = results.ranks.table
    assert table["validated"].isna().all()
    assert "validation" not in last_cells(table)[0]
    # One of the two runs of item_knn does not know it.
    known = [
        0.25 if row.model == "popularity" else None
        for row in table.itertuples()
    ]
    known[-1] = 0.5
    heading, cells = last_cells(table.assign(validated=known))
    assert heading == "NDCG@5, validation"
    assert cells == ["0.2500", "-"]
    # Values of different tasks do not stand in one column.
    everybody = table.assign(validated=0.5)
    assert last_cells(everybody)[1] == ["0.5000", "0.5000"]
    results.configs["popularity"]["max_length"] = 7
    heading, cells = last_cells(everybody)
    assert heading == (
        "NDCG@5, validation (1000 items, without the last 7 events)"
    )
    assert cells == ["0.5000", "-"]
    # The loss of the training is no number of the validation part.
    results.configs["popularity"]["monitor"] = "loss"
    heading, _ = last_cells(table.assign(validated=known))
    assert "validation" not in heading
    assert "validation" not in last_cells(table.drop(columns="validated"))[0]
