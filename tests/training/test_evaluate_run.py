import json
import shutil

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.evaluation.evaluate import Evaluation
from mgnm_tf.evaluation.protocol import Protocol
from mgnm_tf.runs.config import TrainConfig
from mgnm_tf.training.evaluate_run import evaluate_run
from mgnm_tf.training.evaluate_run import evaluation_folder
from mgnm_tf.training.fit import train
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def data():
    return small_data()


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    config = TrainConfig(model="item_knn", max_length=5)
    return train(data, config, out, verbose=0)


def test_training_and_evaluation_give_the_same_metrics(run, data):
    trained = json.loads((run / "metrics.json").read_text())
    assert evaluate_run(run, data, verbose=0) == trained
    assert trained["protocol"]["max_length"] == 5
    # The 120 items are fewer than the 1,000 negatives of `Protocol()`.
    assert trained["protocol"]["negatives"] == "all"


def contents(run):
    return {
        path.name: path.read_bytes() for path in run.iterdir() if path.is_file()
    }


def test_another_protocol_is_followed_and_written_beside(run, data):
    before = contents(run)
    protocol = Protocol(part="validation", negatives=20, k=(2, 3))
    metrics = evaluate_run(run, data, protocol, verbose=0)
    assert list(metrics) == ["validation", "protocol", "samples"]
    assert metrics["protocol"] == protocol.to_dict()
    assert metrics["samples"] == {
        "ranked": len(data.positions("validation")),
        "without_negatives": 0,
    }
    folder = run / "evaluations" / "validation_negatives-20_k-2-3"
    assert evaluation_folder(run, protocol) == folder
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    ranks = Evaluation.load(folder / "test_ranks.parquet")
    assert ranks.protocol == protocol
    assert ranks.metrics() == metrics["validation"]
    assert contents(run) == before


def test_the_protocol_of_the_run_is_evaluated_in_its_place(run, data, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(copy / "evaluations", ignore_errors=True)
    (copy / "test_ranks.parquet").unlink()
    evaluate_run(copy, data, verbose=0)
    assert contents(copy).keys() == contents(run).keys()
    assert not (copy / "evaluations").exists()
    other = Protocol(negatives=20)
    evaluate_run(copy, data, other, verbose=0, replace=True)
    stored = json.loads((copy / "metrics.json").read_text())
    assert stored["protocol"] == other.to_dict()


def test_metrics_of_an_older_version_have_fewer_fields(run, data, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    stored = json.loads((copy / "metrics.json").read_text())
    for name in ("later_only", "shuffle_ties", "aggregate", "tied_scores"):
        del stored["protocol"][name]
    (copy / "metrics.json").write_text(json.dumps(stored))
    protocol = Protocol("test", "all", max_length=5)
    assert evaluation_folder(copy, protocol) == copy


def test_data_are_found_by_the_path_in_the_run(data, tmp_path):
    data.save(tmp_path / "data")
    config = TrainConfig(model="popularity")
    run = train(tmp_path / "data", config, tmp_path / "run", verbose=0)
    evaluate_run(run, verbose=0)
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(UserError, match="is not a data folder"):
        evaluate_run(run, verbose=0)


def test_data_have_to_be_those_of_the_run(run):
    with pytest.raises(UserError, match="does not say where its data are"):
        evaluate_run(run)
    with pytest.raises(UserError, match="is not the data set.*fingerprints"):
        evaluate_run(run, small_data(num_users=40))


def test_a_damaged_model_is_an_error_of_one_sentence(run, data, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "model.keras").write_bytes(b"no zip")
    with pytest.raises(UserError, match="model.keras cannot be loaded"):
        evaluate_run(copy, data)
