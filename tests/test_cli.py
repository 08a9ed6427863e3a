import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from mgnm_tf import __version__
from mgnm_tf.cli import app
from mgnm_tf.cli import training_options
from mgnm_tf.recipes.merge import SHORT
from mgnm_tf.recipes.recipe import Training
from mgnm_tf.runs.config import OF_THE_RUN
from mgnm_tf.runs.config import configure

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HEAVY = ("tensorflow", "keras", "pandas", "pyarrow", "matplotlib", "scipy")
COMMANDS = {
    "start": ["--out", "--minutes", "--user-column", "--split", "--seed"],
    "prepare": ["--out", "--user-column", "--rating-above", "--min-user"],
    "train": [
        *("--data", "--out", "--recipe", "--set", "--seed", "--k", "--track"),
        *("--hosts", "--workers", "--least-workers", "--cluster"),
    ],
    "evaluate": ["--data", "--negatives", "--k", "--seed", "--part"],
    "export": [
        *("--out", "--data", "--sample", "--index", "--onnx"),
        "--item-features",
    ],
    "recommend": [
        *("--history", "--out", "--top", "--user", "--items"),
        *("--workers", "--cluster"),
    ],
    "estimate": [
        *("--events", "--items", "--users", "--width", "--workers"),
        *("--model", "--memory", "--cores", "--network", "--batch", "--top"),
    ],
    "explain": ["--history", "--out", "--users", "--titles"],
    "serve": [
        *("--host", "--port", "--items", "--token-file", "--max-waiting"),
        *("--max-batch", "--max-body", "--timeout", "--check-every"),
        "--history",
    ],
    "compare": [
        *("--data", "--models", "--recipes", "--seeds", "--set", "--track")
    ],
    "tune": ["--data", "--out", "--trials", "--timeout-minutes", "--space"],
    "models": [],
    "datasets": [],
    "synthesize": ["--out", "--users", "--items", "--seed"],
}


def mgnm(*arguments, code=0):
    """Runs a command in this process; returns (stdout, stderr)."""
    result = CliRunner().invoke(
        app, [str(part) for part in arguments], env={"COLUMNS": "80"}
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    assert "\x1b" not in result.output
    return result.stdout, result.stderr


def refused(*arguments):
    """Runs a command that must fail; returns its one line on stderr."""
    stdout, stderr = mgnm(*arguments, code=1)
    assert stdout == ""
    *_, line = stderr.splitlines()
    assert line.startswith("mgnm: ")
    return line.removeprefix("mgnm: ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a log and a data folder."""
    folder = tmp_path_factory.mktemp("cli")
    log = folder / "log.csv"
    world = ["--users", 40, "--items", 480, "--events", 800]
    mgnm("synthesize", "--out", log, *world, "--seed", 1)
    mgnm("prepare", log, "--out", folder / "data")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    out = folder / "run"
    printed = mgnm(
        "train", "popularity", "--data", folder / "data", "--out", out
    )
    return out, *printed


def test_version():
    assert mgnm("--version")[0] == f"mgnm {__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command):
    text, _ = mgnm(command, "--help")
    options = COMMANDS[command]
    if command in ("train", "compare", "tune"):
        fields = {*training_options.OPTIONS, *training_options.OF_THE_RUN}
        fields -= {"seed"} if command == "train" else {"seed", "continue_from"}
        options = options + [f"--{name.replace('_', '-')}" for name in fields]
    for option in options:
        assert re.search(rf"{option}\s", text), option
    assert "…" not in text
    assert command in mgnm("--help")[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loses_nothing_in_brackets(command):
    """Help is markup: what stands in brackets would be taken for a style."""
    one = typer.main.get_command(app).commands[command]
    helps = [one.help, *(parameter.help for parameter in one.params)]
    for text in filter(None, helps):
        shown = Text.from_markup(text).plain
        assert shown == text.replace("\\[", "["), text


def test_a_missing_column_comes_with_the_option_that_names_it(tmp_path):
    log = tmp_path / "clicks.csv"
    log.write_text("session_id,item_id,timestamp\n1,a,1\n")
    line = refused("prepare", log, "--out", tmp_path / "data")
    assert line == (
        f"{log} has no column 'user_id'; columns found: 'session_id', "
        "'item_id', 'timestamp'. --user-column names another one."
    )
    line = refused(
        *("prepare", log, "--out", tmp_path / "data"),
        *("--user-column", "session_id", "--time-column", "when"),
    )
    assert line.endswith("--time-column names another one.")


def test_every_field_of_the_configuration_is_an_option():
    own = {"model", "recipe", "options", "k"}
    assert {*training_options.OPTIONS} == {*Training.model_fields, *SHORT}
    assert {*training_options.OF_THE_RUN, *own} == {*OF_THE_RUN}


def test_help_and_mistakes_load_nothing_heavy():
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mgnm_tf.cli import app\n"
        f"for command in {list(COMMANDS)}:\n"
        "    CliRunner().invoke(app, [command, '--help'])\n"
        "CliRunner().invoke(app, ['evaluate', '/none'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr


def test_prepare_says_what_it_made(folder):
    out = folder / "data2"
    stdout, stderr = mgnm("prepare", folder / "log.csv", "--out", out)
    assert re.search(r"\d{3} events, 40 users with training events", stdout)
    assert "reading" in stderr
    line = refused("prepare", folder / "log.csv", "--out", out)
    assert line == (
        f"{out} exists already; give another place to write to, or delete that "
        "one. --overwrite replaces it."
    )
    mgnm("prepare", folder / "log.csv", "--out", out, "--overwrite")


def test_prepare_hands_its_options_on(folder, monkeypatch):
    module = importlib.import_module("mgnm_tf.data.prepare")
    given = {}

    def prepare(source, out, **options):
        given.update(options)
        return original(folder / "log.csv", out)

    original = module.prepare
    monkeypatch.setattr(module, "prepare", prepare)
    choices = {
        "user_column": "a",
        "item_column": "b",
        "time_column": "c",
        "rating_column": "d",
        "category_column": "e",
        "split_column": "f",
        "separator": ";",
        "time_unit": "ms",
        "rating_above": 2.5,
        "min_user": 3,
        "min_item": 4,
        "sessions_by_gap": "30m",
        "split": "last_days=7",
        "training_share": "1/4",
        "name": "mine",
        "engine": "duckdb",
        "memory": "4GB",
    }
    flags = []
    for name, value in choices.items():
        flags += [f"--{name.replace('_', '-')}", value]
    flags += ["--keep-duplicates", "--no-quotes"]
    flags += ["--ratios", "0.5,0.25,0.25"]
    flags += ["--filter", "no_repeats", "--filter", "first_events=20"]
    mgnm("prepare", folder / "log.csv", "--out", folder / "data3", *flags)
    del given["progress"]
    assert given == {
        **choices,
        "keep_duplicates": True,
        "quotes": False,
        "filters": ["no_repeats", "first_events=20"],
        "ratios": [0.5, 0.25, 0.25],
        "overwrite": False,
    }


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["movielens-100"], "Did you mean 'movielens-100k'"),
        (["none.csv"], "There is no file none.csv"),
        (["planted", "--min-user", "5"], "--min-user is decided by the recipe"),
        (["LOG", "--ratios", "a,b"], "--ratios must be numbers"),
        (["LOG", "--file", "x"], "--file goes with a recipe"),
        (["LOG", "--split", "tempral"], "Did you mean 'temporal'"),
        (["LOG", "--split", "last_days=x"], "needs a whole number of days"),
        (["LOG", "--sessions-by-gap", "0m"], "a whole number above 0 and one"),
        (["LOG", "--filter", "top_item=3"], "Did you mean 'top_items'"),
        (["planted", "--filter", "no_repeats"], "--filter is decided by the"),
        (["LOG", "--min-user", "0"], "min_user"),
        (["LOG", "--engine", "duckbd"], "Did you mean 'duckdb'"),
        (["LOG", "--memory", "4GB"], "a limit of the engine 'duckdb'"),
        (["LOG", "--engine", "duckdb", "--memory", "4 potatoes"], "4 potatoes"),
        (["planted", "--engine", "duckdb"], "--engine is decided by the"),
        (["no such/*.csv"], "no such/*.csv fits no file"),
        (["LOG", "--rating-above", "3"], "rating"),
    ],
)
def test_prepare_refuses(arguments, message, folder, tmp_path):
    log = str(folder / "log.csv")
    arguments = [log if part == "LOG" else part for part in arguments]
    assert message in refused("prepare", *arguments, "--out", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["x[lr=0.1]", "y[/v1]", "[bold]z", ":cat:", "back\\[slash]"]
)
def test_names_are_printed_as_they_were_given(name, folder, tmp_path):
    log = tmp_path / f"{name}.csv"
    stdout, _ = mgnm("synthesize", "--out", log, "--users", 40, "--items", 480)
    assert f"{name}.csv: 2,000 events." in stdout
    out = tmp_path / name
    stdout, stderr = mgnm("prepare", log, "--out", out)
    assert f"/{name}: " in stdout
    assert f"writing {out}" in stderr
    run = tmp_path / f"run {name}"
    stdout, _ = mgnm("train", "popularity", "--data", out, "--out", run)
    assert f"/run {name}." in stdout
    free = tmp_path / "free"
    line = refused("prepare", tmp_path / f"no {name}", "--out", free)
    assert f"/no {name}" in line


def test_cells_of_tables_are_printed_as_they_are(capsys):
    app_module = importlib.import_module("mgnm_tf.cli.app")
    app_module.print_rows(["a[/b]", ":cat:"], [["[red]c", "d[/v1]"]])
    printed = capsys.readouterr().out
    for text in ("a[/b]", ":cat:", "[red]c", "d[/v1]"):
        assert text in printed


def test_world_refuses_impossible_worlds(tmp_path):
    line = refused("synthesize", "--out", tmp_path / "w.csv", "--users", 0)
    assert "num_users" in line
    assert list(tmp_path.iterdir()) == []


def test_train_leaves_a_run_and_prints_its_metrics(trained):
    run, stdout, stderr = trained
    metrics = json.loads((run / "metrics.json").read_text())
    assert f"{metrics['test']['gauc']:.4f}" in stdout
    assert "Each test event is ranked among the whole catalogue" in stdout
    assert f"The run is in {run}." in stdout
    assert re.search("Device: [CG]PU", stderr)


def test_train_hands_its_options_on(folder, monkeypatch):
    from mgnm_tf.training import fit

    given = []

    def train(data, config, out, **kwargs):
        given.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit, "train", train)
    choices = {
        "objective": "sampled_softmax",
        "negatives": 2,
        "shared_negatives": 30,
        "sampling": "popularity",
        "batch_size": 32,
        "max_length": 20,
        "learning_rate": 0.5,
        "epochs": 4,
        "patience": 1,
        "monitor": "val_gauc",
        "validation_negatives": "all",
        "training_exclude": "user",
        "validation_exclude": "none",
        "initial_stddev": 0.25,
        "id_dropout": 0.75,
        "item_features": "items.parquet",
        "seed": 9,
        "steps_per_execution": 2,
    }
    flags = ["--mixed-precision", "--jit-compile"]
    flags += ["--logq-correction", "true", "--every-position", "false"]
    for name, value in choices.items():
        flags += [f"--{name.replace('_', '-')}", value]
    flags += ["--set", "l2=0.1", "--set", "level_pooling=sum"]
    _, stderr = mgnm(
        "train",
        "mgnm:released",
        "--data",
        folder / "data",
        "--out",
        "o",
        *flags,
        code=130,
    )
    assert "Give the same command again to continue" in stderr
    assert given == [
        configure(
            "mgnm:released",
            options={"l2": "0.1", "level_pooling": "sum"},
            logq_correction=True,
            every_position=False,
            mixed_precision=True,
            jit_compile=True,
            **choices,
        )
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["popularty"], "Did you mean 'popularity'"),
        (["gru4rec", "--set", "embeding_dim=8"], "'embedding_dim'"),
        (["gru4rec", "--set", "embedding_dim"], "--set must be KEY=VALUE"),
        (["gru4rec", "--set", "embedding_dim=x"], "must be an integer"),
        (["mgnm:realeased"], "Did you mean 'released'"),
        (["mgnm", "--k", "0"], "`k` must be at least 1"),
        (["mgnm", "--objective", "paper"], "is called 'bce' now"),
        (["mgnm", "--preset", "paper"], "name the recipe with the model"),
        (["mgnm", "--correct-sampling"], "is called `logq_correction` now"),
        ([], "Name a model, see `mgnm models`, or a recipe: --recipe FILE"),
        (["mgnm", "--monitor", "val_ndcg"], "Did you mean 'val_ndcg@5'"),
        (["mgnm", "--objective", "bc"], "Did you mean 'bce'"),
        (["mgnm", "--item-features", "none"], "no file none of item features"),
        (["mgnm", "--id-dropout", "2"], "`id_dropout` must be at most 1"),
        (["mgnm", "--epochs", "0"], "`epochs` must be at least 1"),
    ],
)
def test_train_refuses(arguments, message, folder, tmp_path):
    line = refused(
        "train", *arguments, "--data", folder / "data", "--out", tmp_path / "r"
    )
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_train_refuses_folders(trained, folder, tmp_path):
    run, *_ = trained
    line = refused("train", "mgnm", "--data", folder / "data", "--out", run)
    assert "exists already" in line
    line = refused("train", "mgnm", "--data", tmp_path, "--out", tmp_path / "r")
    assert "is not a data folder" in line


def test_evaluate_writes_another_protocol_beside(trained, folder):
    run, *_ = trained
    before = (run / "metrics.json").read_bytes()
    flags = ["--negatives", "all", "--k", "3,20", "--part", "validation"]
    flags += ["--later-only", "--shuffle-ties", "1"]
    stdout, _ = mgnm("evaluate", run, "--data", folder / "data", *flags)
    assert (run / "metrics.json").read_bytes() == before
    (path,) = run.glob("evaluations/*/metrics.json")
    after = json.loads(path.read_text())
    names = ["gauc", "ndcg@3", "hit@3", "mrr@3", "ndcg@20", "hit@20", "mrr@20"]
    assert list(after["validation"]) == names
    assert after["protocol"]["negatives"] == "all"
    assert after["protocol"]["later_only"]
    assert after["protocol"]["shuffle_ties"] == 1
    for value in after["validation"].values():
        assert f"{value:.4f}" in stdout
    assert str(path) in stdout
    mgnm("evaluate", run)
    assert (run / "metrics.json").read_bytes() == before


def test_a_session_model_is_tested_as_it_is_validated(tmp_path, folder):
    run = tmp_path / "run"
    mgnm("train", "vsknn", "--data", folder / "data", "--out", run, "--k", "20")
    protocol = json.loads((run / "metrics.json").read_text())["protocol"]
    assert (protocol["negatives"], protocol["exclude"]) == ("all", "none")
    stdout, _ = mgnm("evaluate", run)
    assert f"The metrics are in {run / 'metrics.json'}" in stdout
    stdout, _ = mgnm("evaluate", run, "--negatives", "30")
    assert "negatives-30" in stdout


def test_evaluate_refuses(trained, tmp_path, folder):
    run, *_ = trained
    assert "There is no run folder" in refused("evaluate", tmp_path / "none")
    assert "has no config.json" in refused("evaluate", tmp_path)
    line = refused("evaluate", run, "--negatives", "many")
    assert "--negatives must be a number or 'all'" in line
    assert "`k` must be" in refused("evaluate", run, "--k", "0")
    assert "--k must be numbers" in refused("evaluate", run, "--k", "5,a")
    line = refused("evaluate", run, "--aggregate", "pool")
    assert "Did you mean 'user_pool'" in line
    line = refused("evaluate", run, "--tied-scores", "hafl")
    assert "Did you mean 'half'" in line
    mgnm(
        "synthesize", "--out", tmp_path / "w.csv", "--users", 30, "--items", 480
    )
    mgnm("prepare", tmp_path / "w.csv", "--out", tmp_path / "other")
    line = refused("evaluate", run, "--data", tmp_path / "other")
    assert "is not the data set that" in line


def test_compare_prints_a_table_and_goes_on(folder, tmp_path):
    arguments = ["compare", "--data", folder / "data", "--out", tmp_path / "c"]
    arguments += ["--models", "popularity,item_knn", "--test-negatives", 50]
    stdout, stderr = mgnm(*arguments)
    for text in ("popularity", "item_knn", "NDCG@5", "parameters"):
        assert text in stdout
    assert "item_knn/seed-0: gauc" in stderr
    assert (tmp_path / "c" / "report.html").exists()
    again, quiet = mgnm(*arguments)
    assert again == stdout
    assert "item_knn/seed-0" not in quiet
    line = refused(*arguments, "--epochs", 3)
    assert "epochs is 3, was None" in line


def test_session_models_are_compared_as_their_papers_do(folder, tmp_path):
    mgnm(
        *("compare", "--data", folder / "data", "--out", tmp_path / "c"),
        *("--models", "vsknn,popularity,narm", "--epochs", 1),
    )
    metrics = json.loads((tmp_path / "c" / "metrics.json").read_text())
    protocol = metrics["protocol"]
    assert (protocol["negatives"], protocol["exclude"]) == ("all", "none")
    assert protocol["k"] == 20
    config = tmp_path / "c" / "popularity" / "seed-0" / "config.json"
    assert json.loads(config.read_text())["k"] == [20]


def test_compare_lays_what_is_given_over_each_recipe(folder, tmp_path):
    out, parts = tmp_path / "c", tmp_path / "parts.toml"
    parts.write_text(
        '[near]\nabout = {model = "item_knn", part = true}\n'
        "model = {num_neighbors = 7}\n"
    )
    mgnm(
        *("compare", "--data", folder / "data", "--out", out),
        *("--models", "popularity,item_knn:whole_history+near"),
        *("--recipes", parts, "--max-length", 9, "--test-negatives", 50),
        *("--set", "item_knn:whole_history+near.shrinkage=2"),
    )
    assert (out / "popularity").is_dir()
    run = out / "item_knn-whole_history+near" / "seed-0"
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"] == "item_knn:whole_history+near"
    assert config["options"] == {"num_neighbors": 7, "shrinkage": 2.0}
    assert config["max_length"] == 9


def test_a_recipe_in_a_file_is_trained_and_given_back(folder, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text(
        "[model]\nnum_neighbors = 7\nlast = 3\n[training]\nmax_length = 9\n"
    )
    for source, out in ((mine, "a"), (tmp_path / "a" / "recipe.toml", "b")):
        mgnm(
            *("train", "item_knn", "--recipe", source, "--out", tmp_path / out),
            *("--data", folder / "data", "--k", "1,5"),
        )
        config = json.loads((tmp_path / out / "config.json").read_text())
        assert config["options"] == {"num_neighbors": 7, "last": 3}
        metrics = json.loads((tmp_path / out / "metrics.json").read_text())
        assert metrics["protocol"]["k"] == [1, 5]
        assert metrics["protocol"]["max_length"] == 9
    ranks = [tmp_path / out / "test_ranks.parquet" for out in "ab"]
    assert pd.read_parquet(ranks[0]).equals(pd.read_parquet(ranks[1]))


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        (None, "[model]\nlast = 3", "does not say which model it is for"),
        ("item_knn", "[model]\nlast = \n", "no TOML: Invalid value (at line 2"),
        ("item_knn", "[modle]\n", "key 'modle'. Did you mean 'model'"),
        ("item_knn", "[training]\nepoch=1", "Did you mean 'epochs'"),
        ("item_knn", "[model]\nlost=1", "Did you mean 'last'"),
        (
            "item_knn",
            '[about]\nmodel = "mgnm"',
            "a recipe of mgnm, not of item",
        ),
        ("item_knn:recommended", "", "names a recipe and --recipe"),
        (None, '[about]\nmodel = "mgmn"', "Unknown model 'mgmn'. Did you"),
        ("mgnm", '[training]\nobjective="paper"', "is called 'bce' now"),
    ],
)
def test_unusable_recipe_files(model, text, message, folder, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text(text)
    arguments = ["--recipe", path, "--data", folder / "data"]
    line = refused(
        *("train", *([] if model is None else [model]), *arguments),
        *("--out", tmp_path / "run"),
    )
    assert message in line
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.toml"]


def test_a_recipe_is_printed_whole_with_its_origins():
    stdout, _ = mgnm("models", "mgnm:paper+without_graph")
    assert "num_layers = 0  # mgnm+without_graph" in stdout
    assert "embedding_dim = 16  # mgnm:paper" in stdout
    assert 'sequence_encoder = "bilstm"  # constructor' in stdout
    assert 'name = "lazy_adam"  # default' in stdout
    assert "shared_negatives = 0  # bce" in stdout
    values = tomllib.loads(stdout)
    assert values["training"]["optimizer"]["learning_rate"] == 0.001
    line = refused("models", "mgnm+without_grph")
    assert "Did you mean 'without_graph'" in line


def test_compare_fails_after_all_if_a_model_failed(
    folder, tmp_path, monkeypatch
):
    from mgnm_tf.studies import runner

    def train(data, config, *args, **kwargs):
        if config.model == "popularity":
            raise RuntimeError("broken")
        return original(data, config, *args, **kwargs)

    original = runner.train
    monkeypatch.setattr(runner, "train", train)
    arguments = ["--models", "popularity,item_knn", "--test-negatives", 50]
    stdout, stderr = mgnm(
        "compare",
        "--data",
        folder / "data",
        "--out",
        tmp_path / "c",
        *arguments,
        code=1,
    )
    assert "(failed)" in stdout and "item_knn" in stdout
    assert "RuntimeError: broken" in stderr
    assert "1 of the runs failed" in stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--seeds", "0,a"], "--seeds must be numbers"),
        (["--seeds", "0,0"], "each seed once"),
        (["--set", "epochs=3"], "--set must be MODEL.KEY=VALUE"),
        (["--set", "mgnm.epochs=3"], "Unknown model of an option 'mgnm'"),
        (["--test-negatives", "0"], "`negatives` must be at least 1"),
        (["--models", "mgnm:papr"], "Did you mean 'paper'"),
        (["--k", "5,0"], "`k` must be at least 1"),
        (["--jobs", "0"], "`jobs` must be at least 1"),
        (["--preset", "recent"], "name the recipe with the model"),
    ],
)
def test_compare_refuses(arguments, message, folder, tmp_path):
    line = refused(
        "compare",
        "--data",
        folder / "data",
        "--models",
        "popularity",
        "--out",
        tmp_path / "c",
        *arguments,
    )
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_lists():
    stdout, _ = mgnm("models")
    assert "popularity" in stdout and "+long_history" in stdout
    assert "where that is not tuned" in stdout
    rows = [line.split() for line in stdout.splitlines()]
    (surge,) = [row for row in rows if row and row[0] == "surge"]
    assert "no" in surge
    stdout, _ = mgnm("datasets")
    assert "movielens-100k" in stdout and "planted" in stdout


def test_ctrl_c_leaves_a_run_that_goes_on(folder, tmp_path):
    command = [sys.executable, "-m", "mgnm_tf", "train", "gru4rec"]
    command += ["--data", folder / "data", "--out", tmp_path / "r"]
    command += ["--epochs", "100000", "--patience", "100000"]
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    # A job that a shell runs in the background ignores Ctrl-C, and so would
    # the processes that it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while not (tmp_path / "r.partial" / "backup" / "epoch-00002").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    # TensorFlow's own messages do not reach the terminal either.
    lines = [line for line in stderr.splitlines() if line]
    assert len(lines) == 2
    assert lines[0].startswith("Device: ")
    assert "Give the same command again to continue" in lines[1]
    assert not (tmp_path / "r").exists()
