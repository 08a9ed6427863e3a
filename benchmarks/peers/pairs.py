"""What a comparison with another library needs to know of it."""

from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mgnm_tf.data.dataset import SequenceDataset
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import unknown_name


@dataclass(frozen=True)
class Pair:
    """One comparison.

    Args:
        ours: the name of our model, or `name:recipe`.
        options: its constructor arguments.
        theirs: the name of the other library's model.
        peer_options: its options.
        train_samples: how many the other trains on in a turn of some
            seconds; 0 for an epoch.
        our_samples: how many ours trains on in a turn. Defaults to `0`, an
            epoch.
    """

    ours: str
    options: dict[str, Any]
    theirs: str
    peer_options: dict[str, Any]
    train_samples: int
    our_samples: int = 0


@dataclass(frozen=True)
class Case:
    """The sizes that both sides of a comparison have in common.

    Args:
        width: of item vectors and hidden states.
        length: the longest history.
        batch: positives of a training batch.
        negatives: negatives of each positive; `"all"` is the softmax over
            the catalogue.
        tasks: what is measured.
    """

    width: int
    length: int
    batch: int
    negatives: int | str
    tasks: tuple[str, ...] = ("train",)


@dataclass(frozen=True)
class Library:
    """Another library, whose models train by turns with ours.

    Args:
        name: as it calls itself.
        script: the file beside this one that is its side, run with
            `SETTINGS.json FOLDER` by the Python of its environment.
        models: the names of the pairs that are compared if none are named.
        tasks: what can be measured.
        make_pair: makes the pair of a name for a case.
        write: writes the data into a folder as the library reads them.
        settings: for a pair, a case, the folder of the data and that of the
            library's code, what its script reads.
        objective: our objective for a number of negatives.
        needs_code: whether it is no package, but a checkout.
    """

    name: str
    script: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    make_pair: Callable[[str, Case], Pair]
    write: Callable[[SequenceDataset, Path], None]
    settings: Callable[[Pair, Case, str, str], dict[str, Any]]
    objective: Callable[[int | str], str]
    needs_code: bool = False


def check_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns a name that the user gave.

    Raises:
        UserError: it is not known.
    """
    if name not in known:
        raise UserError(unknown_name(kind, name, known))
    return name
