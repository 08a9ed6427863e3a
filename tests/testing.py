"""What every layer and every model must do: one call for each.

`run_layer_test` is for layers whose `call` takes tensors by name and, where
time matters, `valid_mask`; `run_model_test` for sequential recommenders.
"""

import inspect
import json
import tempfile
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}

_compiled = set()
"""The layers that were exported and compiled by XLA in this process."""


# === Layers ===


def run_layer_test(
    cls,
    init_kwargs: dict,
    inputs: dict,
    *,
    expected_output_shape: tuple,
    expected_num_trainable_weights: int,
    expected_num_non_trainable_weights: int = 0,
    expected_num_seed_generators: int = 0,
    expected_output_dtype: str | None = None,
    time_axes: tuple[int, ...] = (),
    inert_weights: tuple[str, ...] = (),
    jit_compile: bool = True,
):
    """Checks all that style and Keras ask of a layer.

    A graph takes a hundred times as long to make as to run, so everything
    runs eagerly but export and XLA, which only the first case of a class
    meets.

    Args:
        cls: the class.
        init_kwargs: its arguments.
        inputs: name -> array, batch axis first. With `valid_mask` (batch,
            length) the masking is checked; then an axis of an input is time
            if its size is `length`, so give `length` a size of its own. An
            input with two time axes must be zero at invalid pairs.
        expected_output_shape: shape of the output for `inputs`.
        expected_num_trainable_weights: after `build` alone.
        expected_num_non_trainable_weights: likewise.
        expected_num_seed_generators: those of the layer itself.
        expected_output_dtype: `None` for the compute dtype of the policy.
        time_axes: axes of the output that are time.
        inert_weights: parts of paths of weights that may lack a gradient.
        jit_compile: whether to compare the first case with XLA.
    """
    layer = check_config(cls, init_kwargs)
    if not layer.built:
        layer.build(**_shape_arguments(layer.build, _shapes(inputs)))
    assert len(layer.trainable_weights) == expected_num_trainable_weights
    assert (
        len(layer.non_trainable_weights) == expected_num_non_trainable_weights
    )
    assert len(layer._seed_generators) == expected_num_seed_generators
    check_shapes(layer, inputs, expected_output_shape, time_axes)
    check_dtype_policies(cls, init_kwargs, inputs, expected_output_dtype)
    check_gradients(layer, inputs, inert_weights)
    check_same_alone_and_again(layer, inputs)
    if "valid_mask" in inputs:
        check_masking(layer, inputs, time_axes)
    model = check_saving(layer, inputs)
    if cls in _compiled:
        return
    check_export(model, inputs)
    if jit_compile:
        check_xla(layer, inputs)
    _compiled.add(cls)


def check_config(cls, init_kwargs):
    """A layer made from its configuration is the same; returns it."""
    layer = cls(**init_kwargs)
    config = layer.get_config()
    missing = {
        name
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    } - set(config)
    assert not missing, f"get_config lacks {missing}"
    again = cls.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert dir(again) == dir(layer)
    serialized = keras.saving.serialize_keras_object(layer)
    assert serialized["registered_name"] == f"mgnm_tf>{cls.__name__}"
    restored = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(serialized))
    )
    assert type(restored) is cls
    assert restored.get_config() == config
    return again


def check_shapes(layer, inputs, expected, time_axes):
    """Declared, symbolic (free batch and length) and eager shapes agree."""
    shapes = _shape_arguments(layer.compute_output_shape, _shapes(inputs))
    assert tuple(layer.compute_output_shape(**shapes)) == expected
    assert tuple(layer(**inputs).shape) == expected
    free = tuple(
        None if axis == 0 or axis in time_axes else size
        for axis, size in enumerate(expected)
    )
    assert tuple(layer(**_symbolic(inputs)).shape) == free


def check_dtype_policies(cls, init_kwargs, inputs, expected_dtype):
    """Outputs, weights and sub-layers follow the policy; all is finite."""
    emptied = dict(inputs)
    if "valid_mask" in inputs:
        emptied = _empty_row(inputs)
    for name in POLICIES:
        layer = cls(**init_kwargs, dtype=name)
        policy = keras.DTypePolicy(name)
        for values in (inputs, emptied):
            output = layer(**values)
            assert keras.backend.standardize_dtype(output.dtype) == (
                expected_dtype or policy.compute_dtype
            )
            assert np.all(np.isfinite(_array(output))), name
        for weight in layer.trainable_weights:
            assert weight.dtype == policy.variable_dtype, weight.path
        for sublayer in layer._flatten_layers(include_self=False):
            assert sublayer.dtype_policy.name == name, sublayer.name


def check_gradients(layer, inputs, inert_weights=()):
    """Every trainable weight has a finite gradient that is not all zero."""
    gradients, _ = _gradients(layer, inputs)
    for weight, gradient in zip(layer.trainable_weights, gradients):
        if any(part in weight.path for part in inert_weights):
            continue
        assert gradient is not None, f"no gradient: {weight.path}"
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient), f"gradient is zero: {weight.path}"


def check_same_alone_and_again(layer, inputs):
    """Rows do not see each other, and two calls agree to the bit."""
    output = _array(layer(**inputs))
    np.testing.assert_array_equal(output, _array(layer(**inputs)))
    for row in range(len(output)):
        alone = {name: value[row : row + 1] for name, value in inputs.items()}
        np.testing.assert_allclose(
            _array(layer(**alone))[0], output[row], **TOLERANCE
        )


def check_masking(layer, inputs, time_axes):
    """What stands at invalid positions, and how many there are, is nothing."""
    mask = inputs["valid_mask"]
    assert not mask.all(), "the example needs invalid positions"
    output = _array(layer(**inputs))
    valid = np.ones(output.shape, bool)
    for axis in time_axes:
        shape = [1] * output.ndim
        shape[0], shape[axis] = mask.shape
        valid &= mask.reshape(shape)
    changed = _array(layer(**_fill_invalid(inputs, 7.0)))
    np.testing.assert_allclose(changed[valid], output[valid], **TOLERANCE)

    longer = _array(layer(**_fill_invalid(_lengthen(inputs, 3), -3.0)))
    cut = tuple(
        slice(0, mask.shape[1]) if axis in time_axes else slice(None)
        for axis in range(output.ndim)
    )
    np.testing.assert_allclose(longer[cut][valid], output[valid], **TOLERANCE)

    emptied = _empty_row(inputs)
    assert np.all(np.isfinite(_array(layer(**emptied))))
    for group in _gradients(layer, emptied):
        for gradient in group:
            assert gradient is None or np.all(np.isfinite(gradient))


def check_saving(layer, inputs):
    """A saved model with the layer gives the same outputs; returns it."""
    symbolic = {
        name: keras.Input(value.shape[1:], dtype=str(value.dtype), name=name)
        for name, value in inputs.items()
    }
    model = keras.Model(symbolic, layer(**symbolic))
    expected = _array(model(inputs))
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/model.keras")
        restored = keras.models.load_model(f"{folder}/model.keras")
        assert any(type(one) is type(layer) for one in restored.layers)
        np.testing.assert_allclose(
            _array(restored(inputs)), expected, **TOLERANCE
        )
    return model


def check_export(model, inputs):
    """An exported model gives the same outputs."""
    with tempfile.TemporaryDirectory() as folder:
        model.export(f"{folder}/served", verbose=False)
        served = tf.saved_model.load(f"{folder}/served")
        np.testing.assert_allclose(
            _array(served.serve(_tensors(inputs))),
            _array(model(inputs)),
            **TOLERANCE,
        )


def check_xla(layer, inputs):
    """Compiled by XLA, the layer gives the same outputs."""
    compiled = tf.function(lambda x: layer(**x), jit_compile=True)
    np.testing.assert_allclose(
        compiled(_tensors(inputs)), layer(**inputs), **TOLERANCE
    )


# === Models ===


def run_model_test(model, features: dict):
    """Checks the contract of `SequentialRecommender` in inference.

    Args:
        model: a model whose weights are not at their initial values.
        features: NumPy arrays of at least two rows, one of them with padding;
            `candidates` without repeats of id 0.
    """
    seen = AssertionError("`guide` is for training alone")
    with mock.patch.object(type(model), "guide", side_effect=seen):
        _check_inference(model, features)


def _check_inference(model, features):
    scores = _array(model(features))
    batch, count = features["candidates"].shape
    assert scores.shape == (batch, count)
    assert np.all(np.isfinite(scores))
    assert np.ptp(scores, axis=1).max() > 0, "all candidates score alike"
    np.testing.assert_array_equal(_array(model(features)), scores)
    encoded = model.encode(features)
    np.testing.assert_allclose(
        _array(model.score(encoded, features["candidates"])),
        scores,
        **TOLERANCE,
    )
    _check_candidates(model, encoded, features, scores)
    for row in range(batch):
        alone = {key: value[row : row + 1] for key, value in features.items()}
        np.testing.assert_allclose(
            _array(model(alone))[0], scores[row], **TOLERANCE
        )
    assert (features["history"] == 0).any(), "the example needs padding"
    padded = dict(features)
    for key in features:
        if key.startswith("history"):
            padded[key] = np.pad(features[key], [(0, 0), (0, 3)])
    np.testing.assert_allclose(_array(model(padded)), scores, **TOLERANCE)
    _check_empty_history(model, features)
    _check_vectors(model, features, scores)


def _check_candidates(model, encoded, features, scores):
    """A score depends on its candidate alone, and lists can be shared."""
    turned = _array(model.score(encoded, features["candidates"][:, ::-1]))
    np.testing.assert_allclose(turned[:, ::-1], scores, **TOLERANCE)
    single = _array(model.score(encoded, features["candidates"][:, :1]))
    np.testing.assert_allclose(single, scores[:, :1], **TOLERANCE)
    shared = features["candidates"][0]
    every = np.tile(shared, (len(scores), 1))
    np.testing.assert_allclose(
        _array(model.score(encoded, shared)),
        _array(model.score(encoded, every)),
        **TOLERANCE,
    )
    appended = _array(model({**features, "shared_negatives": shared}))
    np.testing.assert_allclose(
        appended,
        np.concatenate([scores, _array(model.score(encoded, every))], axis=1),
        **TOLERANCE,
    )


def _check_empty_history(model, features):
    """A user without history, even unknown, gets finite scores."""
    emptied = {
        key: np.zeros_like(value)
        if key.startswith("history") or key == "user"
        else value
        for key, value in features.items()
    }
    assert np.all(np.isfinite(_array(model(emptied))))


def _check_vectors(model, features, scores):
    """Vectors, where a model has them, are of one width and explain it."""
    calls = {
        "interests": lambda: model.interests(features),
        "item_vectors": model.item_vectors,
        "attention": lambda: model.history_attention(features),
        "interest_distribution": lambda: _check_distribution(model, features),
    }
    for capability, call in calls.items():
        if capability in model.capabilities:
            call()
        else:
            with pytest.raises(AttributeError):
                call()
    if "interests" not in model.capabilities:
        return
    interests = _array(model.interests(features))
    vectors = _array(model.item_vectors())
    assert interests.ndim == 3
    assert vectors.shape == (model.num_items + 1, interests.shape[2])
    products = np.einsum(
        "bnd,bcd->bcn", interests, vectors[features["candidates"]]
    )
    if interests.shape[1] == 1:
        np.testing.assert_allclose(products[..., 0], scores, **TOLERANCE)


def _check_distribution(model, features):
    """The one interest is the mixture that the distribution makes."""
    shares = _array(model.interest_distribution(features))
    mixed = _array(model.mixed_interests(features))
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-5)
    assert shares.min() >= 0.0
    np.testing.assert_allclose(
        np.einsum("bk,bkd->bd", shares, mixed),
        _array(model.interests(features))[:, 0],
        **TOLERANCE,
    )


# === Shared ===


def _array(tensor) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(tensor, "float32"))


def _tensors(inputs):
    return {name: tf.convert_to_tensor(x) for name, x in inputs.items()}


def _shapes(inputs):
    return {f"{name}_shape": value.shape for name, value in inputs.items()}


def _shape_arguments(method, shapes):
    known = inspect.signature(method).parameters
    return {name: shape for name, shape in shapes.items() if name in known}


def _input_time_axes(inputs, name):
    if "valid_mask" not in inputs:
        return ()
    length = inputs["valid_mask"].shape[1]
    sizes = inputs[name].shape
    return tuple(a for a in range(1, len(sizes)) if sizes[a] == length)


def _symbolic(inputs):
    """Returns Keras tensors with free batch and length."""
    return {
        name: keras.KerasTensor(
            tuple(
                None if a == 0 or a in _input_time_axes(inputs, name) else size
                for a, size in enumerate(value.shape)
            ),
            dtype=str(value.dtype),
        )
        for name, value in inputs.items()
    }


def _fill_invalid(inputs, value):
    """Returns `inputs` with `value` at invalid positions of time series."""
    filled = dict(inputs)
    for name, array in inputs.items():
        if name != "valid_mask" and _input_time_axes(inputs, name) == (1,):
            filled[name] = array.copy()
            filled[name][~inputs["valid_mask"]] = value
    return filled


def _lengthen(inputs, columns):
    """Returns `inputs` with more invalid positions at the end."""
    longer = {}
    for name, array in inputs.items():
        axes = _input_time_axes(inputs, name)
        longer[name] = np.pad(
            array, [(0, columns * (a in axes)) for a in range(array.ndim)]
        )
    return longer


def _empty_row(inputs):
    """Returns `inputs` with no valid position in row 0."""
    emptied = dict(inputs)
    for name in inputs:
        axes = _input_time_axes(inputs, name)
        if name == "valid_mask" or len(axes) > 1:
            emptied[name] = inputs[name].copy()
            emptied[name][0] = 0
    return emptied


def _gradients(layer, inputs):
    """Returns the gradients of the weights and of the float inputs.

    The loss is a random linear form of the training output, which no
    symmetry of a layer sends to zero.
    """
    tensors = _tensors(inputs)
    floats = {name: x for name, x in tensors.items() if x.dtype.is_floating}
    arguments = {}
    if "training" in inspect.signature(layer.call).parameters:
        arguments["training"] = True

    with tf.GradientTape() as tape:
        tape.watch(floats)
        output = layer(**tensors, **arguments)
        factors = np.random.default_rng(0).normal(size=output.shape)
        loss = tf.reduce_sum(tf.cast(output, "float32") * factors)
    weights = [weight.value for weight in layer.trainable_weights]
    groups = tape.gradient(loss, (weights, list(floats.values())))
    return [
        [None if x is None else ops.convert_to_numpy(x) for x in group]
        for group in groups
    ]
