"""Four lines from a log to recommendations."""

import pandas as pd
import pytest

import mgnm_tf
from mgnm_tf.data.synthetic import make_world
from mgnm_tf.errors import UserError
from mgnm_tf.serving import Recommender
from tests.training.worlds import small_data


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front")
    data = small_data()
    run = mgnm_tf.train(
        data,
        "comirec_sa",
        out=folder / "run",
        verbose=0,
        epochs=1,
        protocol=mgnm_tf.Protocol(negatives=20, max_length=20),
        options={"embedding_dim": 8},
    )
    return data, run, folder


def test_a_run_tells_its_metrics_without_another_evaluation(made):
    _, run, _ = made
    assert run.evaluate() == run.metrics["test"]


def test_another_protocol_is_evaluated(made):
    _, run, _ = made
    protocol = mgnm_tf.Protocol(negatives=20, max_length=20, k=3)
    assert set(run.evaluate(protocol)) == {"gauc", "ndcg@3", "hit@3", "mrr@3"}
    assert "ndcg@5" in run.metrics["test"]


def test_recommendations_are_those_of_the_export(made):
    data, run, folder = made
    users = [data.user_ids[3], data.user_ids[0]]
    found = run.recommend(users=users, k=4)
    assert list(found.columns) == ["user_id", "rank", "item_id", "score"]
    assert list(found["user_id"].unique()) == users
    run.export(folder / "export")
    histories = [
        [
            data.item_ids[item - 1]
            for item in data.items[
                data.offsets[code + 1] : data.offsets[code + 2]
            ]
        ]
        for code in (3, 0)
    ]
    served = Recommender.load(folder / "export").recommend(
        histories, k=4, users=users
    )
    pd.testing.assert_frame_equal(found, served, rtol=1e-5)
    for user, history in zip(users, histories, strict=True):
        listed = found.loc[found["user_id"] == user, "item_id"]
        assert not set(listed) & set(history)


def test_other_histories_than_those_of_the_data(made):
    data, run, _ = made
    history = [data.item_ids[2], data.item_ids[5]]
    found = run.recommend(histories=[history], users=["anna"], k=3)
    assert found["user_id"].tolist() == ["anna"] * 3
    assert not set(found["item_id"]) & set(history)
    user = data.user_ids[0]
    assert not found["item_id"].equals(run.recommend([user], 3)["item_id"])


def test_all_users_are_served(made):
    data, run, _ = made
    assert run.recommend(k=1)["user_id"].tolist() == list(data.user_ids)


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (["nobody"], "There is no user 'nobody' in the data."),
        ([], "`users` is empty; name at least one user."),
        ("anna", "`users` must be a list of ids"),
        (7, "`users` must be a list of ids"),
    ],
)
def test_wrong_users_are_refused(made, users, message):
    _, run, _ = made
    with pytest.raises(UserError, match=message):
        run.recommend(users=users)


def test_a_run_opened_later_needs_its_data(made):
    _, run, _ = made
    again = mgnm_tf.Run(run.path)
    assert again.evaluate() == run.evaluate()
    with pytest.raises(UserError, match="does not say where its data are"):
        again.recommend(k=1)
    with pytest.raises(UserError, match="fingerprints differ"):
        mgnm_tf.Run(run.path, small_data(seed=1)).recommend(k=1)


def test_what_is_no_data_set_no_model_and_no_recipe(made, tmp_path):
    data, run, _ = made
    table = make_world(10, 120, seed=0, num_events=100, num_interests=1)
    for wrong in (mgnm_tf.read_log(table), table):
        for door in (
            lambda: mgnm_tf.train(wrong, "popularity", tmp_path / "run"),  # noqa: B023
            lambda: mgnm_tf.make_dataset(wrong),  # noqa: B023
            lambda: mgnm_tf.make_model(wrong, "popularity"),  # noqa: B023
            lambda: mgnm_tf.evaluate(run.load_model(), wrong),  # noqa: B023
        ):
            with pytest.raises(TypeError, match="must be a data set: split_l"):
                door()
    with pytest.raises(TypeError, match="`model` must be a model.* Run"):
        mgnm_tf.evaluate(run, data)
    with pytest.raises(UserError, match="A recipe is a name.*SequenceDatas"):
        mgnm_tf.train("popularity", data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_protocol_is_no_name(made):
    _, run, _ = made
    with pytest.raises(UserError, match="`protocol` must be a Protocol"):
        run.evaluate("validation")
