"""Sizes against memory, time and machines, from measured rates and laws."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.filesize import decimal

from mgnm_tf.cluster.estimate_rates import EVENT_BYTES
from mgnm_tf.cluster.estimate_rates import ID_LOOKUP_BYTES
from mgnm_tf.cluster.estimate_rates import ID_TEXT_BYTES
from mgnm_tf.cluster.estimate_rates import OUTPUT_BYTES
from mgnm_tf.cluster.estimate_rates import PREPARE_ROWS_PER_SECOND
from mgnm_tf.cluster.estimate_rates import PROCESS_BYTES
from mgnm_tf.cluster.estimate_rates import RATES
from mgnm_tf.cluster.estimate_rates import SEQUENCE_BYTES
from mgnm_tf.cluster.estimate_rates import TRAIN_CORES
from mgnm_tf.data.batches.batch_plan import place_dtype
from mgnm_tf.errors import UserError
from mgnm_tf.utils.validation import check_choice
from mgnm_tf.utils.validation import check_positive_int

_READ = 20 + 1 + 5
"""Rows of the item table that a positive reads: history, itself, negatives."""


@dataclass(frozen=True)
class Sizes:
    """What is estimated.

    Args:
        events: events of the log.
        items: items of the catalogue.
        users: users.
        width: width of the vectors. Defaults to `64`.
        workers: processes, each with one core. Defaults to `1`.
        model: `"mgnm"` or `"gru4rec"`, whose rates were measured. Defaults to
            `"mgnm"`.
        memory: bytes of a machine. Defaults to `64000000000`.
        cores: cores of a machine. Defaults to `16`.
        network: gigabits a second between machines. Defaults to `10.0`.
        batch: positives of a global batch. Defaults to `4096`.
        top: recommended items of a user. Defaults to `20`.

    Raises:
        UserError: one is not positive, or the model has no rates.
    """

    events: int
    items: int
    users: int
    width: int = 64
    workers: int = 1
    model: str = "mgnm"
    memory: int = 64_000_000_000
    cores: int = 16
    network: float = 10.0
    batch: int = 4096
    top: int = 20

    def __post_init__(self):
        try:
            check_choice(self.model, "model", tuple(RATES))
            for name, value in vars(self).items():
                if name == "network":
                    if not 0 < value < float("inf"):
                        raise ValueError(
                            "`network` must be a positive number. Received: "
                            f"network={value}"
                        )
                elif name != "model":
                    check_positive_int(value, name)
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from error


@dataclass(frozen=True)
class Quantity:
    """A quantity of an estimate.

    Args:
        stage: when it matters.
        what: what it is.
        value: how much, in words.
        law: what it was computed by, in words.
    """

    stage: str
    what: str
    value: str
    law: str


@dataclass(frozen=True)
class Limit:
    """Something that ends a size.

    Args:
        what: what it is.
        load: how much of what there is it takes; from 1 on it breaks.
        measure: what `load` is, in words.
        remedy: what to do.
    """

    what: str
    load: float
    measure: str
    remedy: str


@dataclass(frozen=True)
class Estimate:
    """Sizes against memory, time and machines.

    Args:
        quantities: each with its law.
        limits: what breaks, the first to do so first.
    """

    quantities: list[Quantity]
    limits: list[Limit]


def estimate(sizes: Sizes) -> Estimate:
    """Computes what some sizes take.

    Args:
        sizes: the sizes.
    """
    costs = _Costs(sizes)
    limits = sorted(_limits(costs), key=lambda limit: -limit.load)
    return Estimate(list(_quantities(costs)), limits)


class _Costs:
    """The numbers behind an estimate: bytes and seconds."""

    def __init__(self, sizes: Sizes):
        self.sizes, self.rates = sizes, RATES[sizes.model]
        s, rates = sizes, self.rates
        self.arrays = EVENT_BYTES * s.events + SEQUENCE_BYTES * s.users
        self.prepare = s.events / PREPARE_ROWS_PER_SECOND
        self.table = 4 * s.items * s.width
        # Ids of users are not read before the test part is evaluated.
        self.train_ids = ID_TEXT_BYTES * s.items
        self.place_bytes = place_dtype(s.events).itemsize
        self.order = self.place_bytes * s.events
        self.train_memory = PROCESS_BYTES + 3 * self.table
        self.train_memory += self.train_ids + self.order
        # Both models read histories alone: an export knows no user.
        serve_ids = (ID_TEXT_BYTES + ID_LOOKUP_BYTES) * s.items
        self.serve_memory = PROCESS_BYTES + self.table + serve_ids
        # One worker has one core.
        rate = rates.train / TRAIN_CORES / _wider(s.width, rates.train_width)
        self.step = s.batch / s.workers / rate
        self.row = 4 * s.width + 8
        self.exchanged = s.batch * _READ * self.row * (s.workers > 1)
        # The rows of all others come in; 1 Gbit is 125 million bytes.
        share = (s.workers - 1) / s.workers
        self.exchange = self.exchanged * share / (s.network * 125e6)
        self.epoch = s.events / s.batch * (self.step + self.exchange)
        self.sampled = s.users * TRAIN_CORES / rates.sampled / s.workers
        self.sampled *= _wider(s.width, rates.sampled_width)
        larger = s.items * s.width / (rates.rank_items * rates.rank_width)
        self.rank = s.users * rates.rank_cores / rates.rank / s.workers
        self.rank *= max(1.0, larger)
        self.output = s.users * s.top * OUTPUT_BYTES

    def machines(self, memory: int) -> int:
        """Returns how many machines hold the workers; 0 if none holds one."""
        fit = min(self.sizes.memory // memory, self.sizes.cores)
        return -(-self.sizes.workers // fit) if fit else 0


def _wider(width: int, measured: int) -> float:
    return max(1.0, width / measured)


def _quantities(costs: _Costs) -> Iterator[Quantity]:
    s = costs.sizes
    yield Quantity(
        "prepare",
        "arrays on disk",
        decimal(costs.arrays),
        f"{EVENT_BYTES} B an event, {SEQUENCE_BYTES} B a user; mapped, so "
        "that training holds what it reads",
    )
    yield Quantity(
        "prepare",
        "time, one machine",
        _time(costs.prepare),
        f"linear in events: DuckDB, {PREPARE_ROWS_PER_SECOND:,} rows/s on two "
        "cores under 2 GB",
    )
    yield Quantity(
        "train",
        "item table",
        decimal(3 * costs.table),
        "4 B x items x width, and two moments of LazyAdam, in every worker",
    )
    yield Quantity(
        "train",
        "ids",
        decimal(costs.train_ids),
        f"{ID_TEXT_BYTES} B an item, text in every worker",
    )
    yield Quantity(
        "train",
        "order of the samples",
        decimal(costs.order),
        f"{costs.place_bytes} B an event, in every worker (4 B to 2^31 "
        "events, then 8 B)",
    )
    yield Quantity(
        "train",
        "memory of a worker",
        decimal(costs.train_memory),
        f"{decimal(PROCESS_BYTES)} + item table + ids + order",
    )
    yield _machines(costs, "train", costs.train_memory)
    yield Quantity(
        "train",
        "exchanged a step",
        decimal(costs.exchanged),
        f"batch {s.batch:,} x {_READ} rows x (4 B x width + 8 B), sparse; "
        f"dense it would be {decimal(costs.table)}",
    )
    yield Quantity(
        "train",
        "compute and exchange a step",
        f"{_time(costs.step)} + {_time(costs.exchange)}",
        f"batch / workers / ({costs.rates.train:,.0f} positives/s on two "
        f"cores, less by width above {costs.rates.train_width}); bytes / "
        f"{s.network:g} Gbit/s, not hidden behind compute",
    )
    yield Quantity(
        "train",
        "an epoch",
        _time(costs.epoch),
        "events / batch x (compute + exchange)",
    )
    yield Quantity(
        "evaluate",
        "every user, 1,001 candidates",
        _time(costs.sampled),
        f"users / workers / ({costs.rates.sampled:,.0f} records/s on two "
        "cores)",
    )
    yield Quantity(
        "evaluate",
        "every user, whole catalogue",
        _time(costs.rank),
        _rank_law(costs),
    )
    yield Quantity(
        "recommend",
        "memory of a worker",
        decimal(costs.serve_memory),
        f"{decimal(PROCESS_BYTES)} + 4 B x items x width + "
        f"{ID_TEXT_BYTES + ID_LOOKUP_BYTES} B an item; not that of the users "
        "of a folder",
    )
    yield _machines(costs, "recommend", costs.serve_memory)
    yield Quantity(
        "recommend", "every user", _time(costs.rank), _rank_law(costs)
    )
    yield Quantity(
        "recommend",
        "files written",
        decimal(costs.output),
        f"users x {s.top} x {OUTPUT_BYTES} B",
    )


def _machines(costs: _Costs, stage: str, memory: int) -> Quantity:
    count = costs.machines(memory)
    s = costs.sizes
    return Quantity(
        stage,
        "machines",
        f"{count:,}" if count else "a worker does not fit",
        f"workers / least of memory ({decimal(s.memory)}) / that of a worker, "
        f"and cores ({s.cores})",
    )


def _rank_law(costs: _Costs) -> str:
    rates = costs.rates
    return (
        f"users / workers x items x width: {rates.rank:,.0f} users/s on "
        f"{rates.rank_cores} core(s) with {rates.rank_items:,} x "
        f"{rates.rank_width}, not more with less"
    )


def _limits(costs: _Costs) -> Iterator[Limit]:
    memory = costs.sizes.memory
    yield Limit(
        "item table",
        3 * costs.table / memory,
        "of the memory of a machine, for each worker",
        "a smaller --width, or an item table in portions, which TensorFlow's "
        "multi-worker strategy does not do (Keras on JAX with ModelParallel "
        "does)",
    )
    yield Limit(
        "order of the samples",
        costs.order / memory,
        "of the memory of a machine, for each worker that trains",
        "fewer workers on a machine with more threads each "
        "(TF_NUM_INTRAOP_THREADS)",
    )
    yield Limit(
        "exchange",
        costs.exchange / costs.step,
        "of the compute of a step",
        "a larger batch does not help, fewer negatives, shorter histories, a "
        "faster network or fewer, larger workers do",
    )
    yield Limit(
        "evaluation",
        costs.rank / costs.epoch,
        "of an epoch, whole catalogue",
        "evaluate a sample of the users or 1,001 candidates while training, "
        "the whole catalogue once; recommend by an index (`mgnm export "
        "--index`)",
    )


def _time(seconds: float) -> str:
    """Writes a duration: 3 ms, 40 s, 12 min, 3.5 h, 12 days."""
    for unit, size, most in (
        ("ms", 1e-3, 1),
        ("s", 1, 90),
        ("min", 60, 90 * 60),
        ("h", 3600, 48 * 3600),
    ):
        if seconds < most:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86400:,.0f} days"
