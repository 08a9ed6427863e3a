"""The study of the signal of MGNM, on a tiny synthetic log."""

import json

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from benchmarks.studies import signal
from benchmarks.studies.signal_probe import SignalProbe
from mgnm_tf.data.synthetic import write_world
from mgnm_tf.losses import SampledSoftmax
from mgnm_tf.models.registry import create_model

# The items of the histories are no candidates.
FEATURES = {
    "user": np.array([1, 2, 3], "int32"),
    "history": np.array([[1, 2, 3, 4], [5, 6, 0, 0], [7, 0, 0, 0]], "int32"),
    "candidates": np.array([[11], [12], [13]], "int32"),
    "shared_negatives": np.array([14, 12, 15, 16, 17, 18], "int32"),
}
LABELS = np.zeros((3, 7), "float32")
LABELS[:, 0] = 1
LABELS[1, 2] = -1


def make_probe(recipe="paper", **options):
    options = {"embedding_dim": 4, "seed": 1, **options}
    model = create_model(f"mgnm:{recipe}", 5, 20, options, max_length=4)
    return SignalProbe(model, FEATURES, LABELS)


@pytest.mark.parametrize(("recipe", "options"), signal.RECIPES.values())
def test_the_stages_are_those_of_the_model(recipe, options):
    probe = make_probe(recipe, **options)
    model = probe.model
    _, levels = probe.levels(False)
    interests, coupling, _ = model.extractor(levels, probe.mask)
    _, capsules = probe.capsules(levels, coupling)
    kernel = model.extractor.output_kernel
    if kernel is not None:
        capsules = tf.einsum("blkd,kde->blke", capsules, kernel[0])
        capsules = tf.nn.relu(capsules)
    np.testing.assert_allclose(interests, capsules, atol=1e-6)
    scores, _ = probe.scores(interests)
    np.testing.assert_allclose(
        model.pool_levels(scores), model(FEATURES), atol=1e-5
    )


@pytest.mark.parametrize("recipe", ["paper", "recommended"])
def test_gradients_are_those_of_training(recipe):
    probe = make_probe(recipe, routing_noise=0.0, dropout=0.0)
    model, found = probe.model, probe.measure()
    with tf.GradientTape() as tape:
        scores = model(FEATURES, training=True)
        loss = SampledSoftmax()(LABELS, scores)
    gradients = {
        weight.path: tf.convert_to_tensor(gradient).numpy()
        for weight, gradient in zip(
            model.trainable_weights,
            tape.gradient(loss, [w.value for w in model.trainable_weights]),
        )
    }

    def norm(part, rows=slice(None)):
        parts = [g[rows] for path, g in gradients.items() if part in path]
        return np.sqrt(sum(np.sum(np.square(g)) for g in parts))

    table = "item_embedding/embeddings"
    expected = {
        "gradient_table_histories": norm(table, slice(1, 8)),
        "gradient_table_candidates": norm(table, slice(11, 19)),
        "gradient_projections": norm("extractor/kernel"),
        "gradient_output_projections": norm("extractor/output_kernel"),
        "gradient_graph": norm("propagation/"),
        "gradient_encoder": norm("extractor/encoder/"),
    }
    for name, value in expected.items():
        assert found[name] or value == 0, name
        assert found[name] in (None, pytest.approx(value, rel=2e-3)), name
    assert (found["gradient_encoder"] is None) == (recipe == "recommended")
    assert found["gradient_table_candidates"] > 0


def test_gradient_of_the_interests_by_differences():
    probe = make_probe(num_layers=0, routing_noise=0.0)
    _, levels = probe.levels(False)
    interests, _, _ = probe.model.extractor(levels, probe.mask)

    def losses(values):
        scores, _ = probe.scores(values)
        return SampledSoftmax(reduction=None)(LABELS, scores).numpy()

    squares = 0.0
    for capsule, axis in np.ndindex(4, 4):
        step = np.zeros((1, 1, 4, 4), "float32")
        step[0, 0, capsule, axis] = 0.5
        squares += np.square(
            losses(interests + step) - losses(interests - step)
        )
    found = probe.measure()["gradient_interests"]
    assert found == pytest.approx([np.mean(np.sqrt(squares))], rel=1e-2)


def test_figures_where_nothing_is_told_apart():
    options = {**signal.PLAIN, "embeddings_initializer": 0.0}
    probe = make_probe("paper", sequence_encoder=None, **options)
    found = probe.measure()
    assert found["items"] == found["interest"] == [0.0] * 4
    assert found["zeros"] == found["entropy"] == [1.0] * 4
    assert found["pooled_std"] == 0.0
    assert found["logit_range"] == [0.0] * 4
    # One of the seven candidates is ignored in one row.
    expected = (2 * np.log(7) + np.log(6)) / 3
    assert found["loss"] == pytest.approx(expected, rel=1e-3)


def test_figures_by_hand():
    options = {
        "num_layers": 0,
        "num_interests": 2,
        "sequence_encoder": None,
        "temperature": None,
    }
    probe = make_probe("recommended", **options)
    model = probe.model
    # The first capsule sees the newest item, the second the mean.
    prior = np.zeros((4, 2), "float32")
    prior[0, 0] = 99.0
    model.extractor.prior.logits.assign(prior)
    table = np.zeros((21, 4), "float32")
    table[1:8, 0] = [0, 0, 0, 3, 0, 4, 5]
    table[11] = [0.0, 1.0, 0.0, 0.0]
    table[12] = [1e-3, 0.0, 0.0, 0.0]
    model.extractor.routing_iterations = 1
    model.item_embedding.embeddings.assign(table)
    found = probe.measure()
    newest, mean = [3, 4, 5], [3 / 4, 4 / 2, 5 / 1]
    assert found["items"] == [pytest.approx(12 / 7, rel=1e-3)]
    assert found["interest"] == [pytest.approx(np.mean([newest, mean]), 1e-3)]
    assert found["zeros"] == [0.75]
    for name in ("cosine_between", "cosine_users", "cosine_to_items"):
        assert found[name] == [pytest.approx(1.0)], name
    assert found["entropy"] == [pytest.approx(0.5, abs=1e-3)]
    assert found["wins"] == found["positive_wins"] == [1.0]
    # Rank 0 in the second row; else one is above and five are as good.
    assert found["level_hit"] == [1.0] and found["hit"] == 1.0
    # Item 12 is told apart, and ignored where it stands twice.
    scores = np.mean([newest, mean], axis=0) * 1e-3
    spread = np.mean(scores * [np.sqrt(6) / 7, np.sqrt(5) / 6, np.sqrt(6) / 7])
    expected = pytest.approx(np.mean(scores), rel=2e-3)
    assert found["logit_range"] == [expected]
    assert found["logit_std"] == [pytest.approx(spread, rel=2e-3)]
    assert found["pooled_std"] == pytest.approx(spread, rel=2e-3)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "log.csv"
    write_world(path, 60, 480, num_events=600, seed=0)
    return path


@pytest.mark.large
def test_the_command_writes_figures_and_plots(log, tmp_path, monkeypatch):
    recipes = {
        "recommended": ("recommended", {}),
        "deep": ("recommended", {"num_layers": 3}),
    }
    monkeypatch.setattr(signal, "RECIPES", recipes)
    monkeypatch.setattr(signal, "SHARED_NEGATIVES", 9)
    monkeypatch.setattr(signal, "MAX_LENGTH", 3)
    out = tmp_path / "new" / "tiny.json"
    done = CliRunner().invoke(
        signal.app,
        [
            *(str(log), "--out", str(out), "--steps", "2", "--every", "1"),
            *("--embedding-dim", "4"),
        ],
    )
    assert done.exit_code == 0, done.output
    report = json.loads(out.read_text())
    assert report["settings"]["users"] == 60
    assert str(log) not in out.read_text()
    for name, levels in zip(recipes, (2, 4)):
        records = report["recipes"][name]
        assert [record["step"] for record in records] == [0, 1, 2]
        assert all(len(record["wins"]) == levels for record in records)
        # It trains between the measurements.
        assert records[0]["loss"] != records[2]["loss"]
    plots = {path.name for path in out.parent.glob("*.svg")}
    assert plots == {
        f"tiny-{plot}.svg"
        for plot in ("lengths", "learning", "gradients", "routing")
    }
    assert "recommended" in (out.parent / "tiny-routing.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no-such.csv"], "no-such.csv"),
        (["x.csv", "--steps", "5", "--every", "2"], "must divide"),
    ],
)
def test_what_cannot_be_used_ends_in_a_sentence(arguments, sentence, tmp_path):
    out = tmp_path / "out.json"
    done = CliRunner().invoke(signal.app, [*arguments, "--out", str(out)])
    assert done.exit_code == 1
    assert sentence in done.output.replace("\n", " ")
    assert not out.exists()
