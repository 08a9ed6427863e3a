"""Random weights for a PyTorch model, and a file of what it computes.

For the scripts `make_fixture.py`, which run in environments of their own.
"""

import numpy as np
import torch


def draw_weights(model, random, scale=0.7, finish=None):
    """Gives a model normal weights, in the order of its parameters.

    Args:
        model: a `torch.nn.Module`.
        random: a `np.random.Generator`.
        scale: standard deviation of the weights.
        finish: is given path and array of each weight before the model is,
            and changes the array. Defaults to `None`.

    Returns:
        The arrays, "weight/" and the path -> float32.
    """
    arrays = {}
    for path, weight in model.named_parameters():
        value = random.normal(scale=scale, size=tuple(weight.shape))
        if finish is not None:
            finish(path, value)
        value = value.astype("float32")
        weight.data = torch.from_numpy(value)
        arrays[f"weight/{path}"] = value
    return arrays


def write_fixture(out, arrays, model, scores, random):
    """Writes scores, and the gradients of their sum with random factors.

    A weight that the scores do not depend on is left out.

    Args:
        out: the `.npz` file to make.
        arrays: what else goes into it: inputs and weights.
        model: the module that computed the scores.
        scores: its scores, a tensor.
        random: a `np.random.Generator`.
    """
    factors = random.normal(size=tuple(scores.shape)).astype("float32")
    (scores * torch.from_numpy(factors)).sum().backward()
    arrays = {**arrays, "factors": factors, "scores": scores.detach().numpy()}
    for path, weight in model.named_parameters():
        if weight.grad is None:
            del arrays[f"weight/{path}"]
        else:
            arrays[f"gradient/{path}"] = weight.grad.numpy()
    np.savez_compressed(out, **arrays)
