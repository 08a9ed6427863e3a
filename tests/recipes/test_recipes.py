"""Labels, layers and files of recipes."""

import pytest

from mgnm_tf.errors import UserError
from mgnm_tf.models.registry import complete_recipe
from mgnm_tf.models.registry import declared_options
from mgnm_tf.models.registry import model_class
from mgnm_tf.models.registry import model_names
from mgnm_tf.models.registry import read_options
from mgnm_tf.models.registry import recipes_of
from mgnm_tf.models.registry import resolve_recipe
from mgnm_tf.recipes.label import read_label
from mgnm_tf.recipes.merge import flat
from mgnm_tf.recipes.recipe import Recipe
from mgnm_tf.recipes.toml import format_recipe
from mgnm_tf.recipes.toml import format_values
from mgnm_tf.recipes.toml import read_recipe
from mgnm_tf.recipes.toml import read_recipes
from mgnm_tf.recipes.toml import write_recipe
from mgnm_tf.runs.config import configure


def write(folder, text):
    path = folder / "some.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text", ["mgnm", "mgnm:paper", "mgnm+a", "mgnm:paper+a+b"]
)
def test_a_label_is_read_and_written(text):
    assert str(read_label(text)) == text


@pytest.mark.parametrize(
    "text", ["", ":paper", "mgnm:", "mgnm+", "mgnm:a:b", "mgnm+a:b", "+a"]
)
def test_other_forms_are_refused(text):
    with pytest.raises(UserError, match="is named `model`, `model:recipe`"):
        read_label(text)


@pytest.mark.parametrize("name", model_names())
def test_every_recipe_fits_its_model(name):
    recipes = recipes_of(name)
    for key, recipe in recipes.items():
        assert recipe.about.source, key
        assert recipe.about.model in ("", name)
        options = read_options(name, recipe.model)
        assert set(options) <= set(declared_options(model_class(name)))
        assert set(recipe.model) == set(options)
    if "recommended" in recipes:
        assert not recipes["recommended"].about.part


def test_the_bare_name_is_what_is_recommended():
    for name in model_names():
        bare = resolve_recipe(name)[1].recipe
        if "recommended" in recipes_of(name):
            assert bare == resolve_recipe(f"{name}:recommended")[1].recipe
    _, merged = resolve_recipe("mgnm")
    assert merged.recipe.training.objective == "sampled_softmax"
    assert merged.recipe.training.shared_negatives == 500
    assert merged.recipe.training.optimizer.learning_rate == 0.006


def test_the_paper_is_trained_as_the_paper_says():
    training = resolve_recipe("mgnm:paper")[1].recipe.training
    assert training.objective == "bce"
    assert training.drawn() == (5, 0)
    assert training.optimizer.learning_rate == 0.001
    assert (training.batch_size, training.max_length) == (256, 100)


def recipe(**tables):
    return Recipe.model_validate(tables)


KNOWN = {
    "recommended": recipe(
        model={"num_layers": 1, "dropout": 0.25},
        training={
            "objective": "sampled_softmax",
            "shared_negatives": 500,
            "optimizer": {"learning_rate": 0.5, "schedule": "cosine"},
        },
    ),
    "less": recipe(about={"part": True}, model={"dropout": 0.1}),
    "none": recipe(about={"part": True}, model={"dropout": 0.0}),
    "over": recipe(
        about={"part": True, "replaces": ["model.dropout"]},
        model={"dropout": 0.0},
    ),
    "bpr": recipe(about={"part": True}, training={"objective": "bpr"}),
}


def resolve(label, options=None, settings=None):
    return resolve_recipe(label, options, settings, KNOWN)[1]


def test_the_later_layer_wins_and_says_where_a_value_is_from():
    merged = resolve("mgnm+less", {"num_layers": 3}, {"learning_rate": 0.25})
    assert merged.recipe.model == {"num_layers": 3, "dropout": 0.1}
    optimizer = merged.recipe.training.optimizer
    assert (optimizer.learning_rate, optimizer.schedule) == (0.25, "cosine")
    assert merged.origins == {
        "model.num_layers": "given",
        "model.dropout": "mgnm+less",
        "training.objective": "mgnm:recommended",
        "training.shared_negatives": "mgnm:recommended",
        "training.optimizer.learning_rate": "given",
        "training.optimizer.schedule": "mgnm:recommended",
    }


def test_parts_that_contradict_each_other_are_refused_unless_one_says_so():
    with pytest.raises(UserError) as error:
        resolve("mgnm+less+none")
    assert str(error.value) == (
        "mgnm+less sets model.dropout to 0.1 and mgnm+none to 0.0: they cannot "
        "be added to each other."
    )
    assert resolve("mgnm+less+over").recipe.model["dropout"] == 0.0
    assert resolve("mgnm+less+less").recipe.model["dropout"] == 0.1


def test_another_objective_draws_as_it_does():
    assert resolve("mgnm").recipe.training.drawn() == (0, 500)
    assert resolve("mgnm+bpr").recipe.training.drawn() == (5, 0)
    same = resolve("mgnm", settings={"objective": "sampled_softmax"})
    assert same.recipe.training.drawn() == (0, 500)
    more = resolve("mgnm", settings={"objective": "bce", "negatives": 9})
    assert more.recipe.training.drawn() == (9, 0)


def test_a_part_is_no_recipe_and_the_other_way_round():
    with pytest.raises(UserError, match="part of a recipe; add it.*mgnm.less"):
        resolve("mgnm:less")
    with pytest.raises(UserError, match="is a recipe; name it.*mgnm:recomm"):
        resolve("mgnm+recommended")
    with pytest.raises(UserError, match="gru4rec has no part 'x', nor any"):
        resolve_recipe("gru4rec+x")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("mgnm:recommended+dense_log", "is called .long_history now"),
        ("item_knn:recent", "is called recommended, the name of the model"),
        ("gru4rec:default", "'default' of gru4rec is called mgnm_paper now"),
    ],
)
def test_an_old_name_names_the_new_one(label, name):
    with pytest.raises(UserError, match=name):
        resolve_recipe(label)


def test_a_recipe_survives_its_file(tmp_path):
    before = recipe(
        about={"model": "mgnm", "source": "here"},
        model={"temperature": "none", "dropout": 0.25, "squash": False},
        training={"after": "paper", "optimizer": {"name": "adam"}},
    )
    path = write(tmp_path, format_recipe(before))
    assert flat(read_recipe(path)) == flat(before)
    assert read_recipe(path).about == before.about


def test_a_printed_recipe_can_be_given_back(tmp_path):
    path = write(tmp_path, format_values(*complete_recipe("mgnm+long_history")))
    found = read_recipe(path)
    options = read_options("mgnm", found.model)
    merged = resolve_recipe("mgnm+long_history")[1].recipe
    assert options | read_options("mgnm", merged.model) == options
    assert options["interest_extractor"] == "capsule"
    assert found.training.drawn() == merged.training.drawn()
    assert found.training.optimizer == merged.training.optimizer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training]\nepochs = \n", "no TOML: Invalid value .at line 2"),
        ("[model]\n[model]\n", "no TOML: .*line 2"),
        ("[training]\nepochs = 0", "some.toml: `epochs` must be at least 1"),
        (
            "[training.optimizer]\nrate = 1",
            "key of .training.optimizer. 'rate'",
        ),
        (
            "[training.optimizer]\nl2 = 1e-5",
            "`l2` needs the optimizer adam. Received: l2=1e-05 with lazy_adam",
        ),
        (
            "[training.optimizer]\nname = 'sgd'\nepsilon = 1e-5",
            "`epsilon` needs the optimizer lazy_adam or adam or",
        ),
        (
            "[training.optimizer]\namsgrad = true",
            "`amsgrad` needs the optimizer adam or adamw. Received",
        ),
        ("training = 3", "`training` must be a table"),
        ("[training]\nepochs = 1.5", "`epochs` must be an integer"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_recipe(write(tmp_path, text))


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_recipe(tmp_path / "none.toml")
    path = tmp_path / "some.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is no text in UTF-8"):
        read_recipe(path)
    with pytest.raises(UserError, match="some.toml, one: `epochs` must be at"):
        read_recipes(write(tmp_path, "[one.training]\nepochs = 0"))


@pytest.mark.parametrize(
    "label",
    [
        *("narm", "nextitnet", "srgnn", "gcsan", "sgnnhn", "lessr", "dsan"),
        *("niser_plus", "dhcn", "atten_mixer", "sknn", "vsknn"),
        *("srgnn_atten_mixer", "sgnnhn_atten_mixer", "mgnm+sessions"),
        *("lessr:released", "dhcn:released", "atten_mixer:released"),
    ],
)
def test_sessions_are_validated_as_they_are_tested(label):
    """Clicks go back to items of the session: they are candidates."""
    assert configure(label).validation_exclude == "none"
    assert configure("mgnm").validation_exclude == "history"


@pytest.mark.parametrize(
    "model",
    [
        *("timirec", "timirec_plus", "comirec_plus", "comirec_sa", "mind"),
        *("youtube_dnn", "gru4rec", "sasrec", "tisasrec"),
    ],
)
def test_negatives_of_the_timirec_paper_are_unknown_to_the_user(model):
    config = configure(f"{model}:timirec_paper")
    assert config.training_exclude == config.validation_exclude == "user"
    assert configure(model).training_exclude == "history"


def test_a_number_that_is_not_given_is_written_and_read(tmp_path):
    for label in ("mgnm", "sasrec:timirec_paper"):
        recipe = configure(label).to_recipe()
        path = tmp_path / f"{recipe.about.model}.toml"
        write_recipe(path, recipe)
        found = read_recipe(path).training
        assert found.initial_stddev == recipe.training.initial_stddev
        assert found.optimizer.epsilon is None
    assert found.initial_stddev == 0.01


def test_every_model_without_a_search_says_so():
    untuned = {
        name
        for name in model_names()
        if not recipes_of(name).get("recommended", Recipe()).about.tuned
    }
    assert {"slirec", "mimn", "surge", "tgsrec", "deeprec_caser"} <= untuned
    assert "mgnm" not in untuned
