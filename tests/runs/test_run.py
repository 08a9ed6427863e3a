import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.runs.run import Run
from mgnm_tf.training import fit
from tests.training.worlds import small_data

QUICK = {
    "epochs": 2,
    "batch_size": 64,
    "validation_negatives": 50,
    "options": {"embedding_dim": 8},
}


def test_a_run_is_read_from_its_folder(tmp_path):
    path = fit.train(
        small_data(), "gru4rec", tmp_path / "run", verbose=0, **QUICK
    )
    run = Run(path)
    assert run.config.epochs == 2
    assert run.environment["data"]["fingerprint"] == small_data().fingerprint
    values = [row["val_ndcg@5"] for row in run.history]
    assert len(values) == 2
    assert values[run.best_epoch - 1] == max(values)
    assert set(run.metrics) == {"test", "protocol", "samples"}
    assert len(run.timing["epochs"]) == 2
    assert run.ranks.is_file()
    assert run.load_model().data_fingerprint is None
    assert Run(run).config == run.config


def test_a_counting_run_has_no_best_epoch(tmp_path):
    path = fit.train(small_data(), "popularity", tmp_path / "run", verbose=0)
    assert Run(path).history == []
    assert Run(path).best_epoch is None


def test_what_is_no_run_says_so(tmp_path):
    for read in (
        lambda run: run.config,
        lambda run: run.metrics,
        lambda run: run.load_model(),
    ):
        with pytest.raises(UserError, match="it has no config.json"):
            read(Run(tmp_path))
    with pytest.raises(UserError, match="There is no run folder"):
        print(Run(tmp_path / "none").timing)
