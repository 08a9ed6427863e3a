"""What was measured, and what `mgnm estimate` extends by its laws.

`tests/cluster/test_estimate.py` compares these numbers with the files that
they are from.
"""

from dataclasses import dataclass

EVENT_BYTES = 17
"""Of a prepared event: item 4, time 8, part 1, sequence 4."""
SEQUENCE_BYTES = 8
"""Of the place where the events of a user begin."""

ID_TEXT_BYTES = 84
"""Of an id as Python's text in a list: 10 letters, CPython 3.11, measured."""
ID_LOOKUP_BYTES = 117
"""Of an id that is looked up besides: pandas's index, measured as above."""
OUTPUT_BYTES = 10
"""Of a recommendation in a Parquet file (`python -m benchmarks scoring`)."""
PROCESS_BYTES = 2 << 30
"""Of a process that trains or ranks, without what grows: the
`peak_memory_mib` of benchmarks/results/toys-20.json are 1.1 to 2.7 GiB."""
PREPARE_ROWS_PER_SECOND = 200_000
"""DuckDB on two cores, limited to 2 GB: 200 million made rows took 33 minutes
of processor time (`python -m benchmarks large`, on a busy machine)."""


@dataclass(frozen=True)
class Rates:
    """Speeds of a model on two cores of an AMD EPYC.

    Args:
        train: positives a second, `train_width` wide, histories of at most
            20, 256 a batch.
        train_width: width of the vectors.
        sampled: test records a second, among 1,001 candidates.
        sampled_width: width of the vectors.
        rank: users a second whose every item is scored and the best sought.
        rank_items: how many items.
        rank_width: width of the vectors.
        rank_cores: on how many cores.
    """

    train: float
    train_width: int
    sampled: float
    sampled_width: int
    rank: float
    rank_items: int
    rank_width: int
    rank_cores: int


TRAIN_CORES = 2

RATES = {
    "mgnm": Rates(24_430, 64, 8_398, 64, 599.0, 292_286, 40, 2),
    "gru4rec": Rates(99_150, 16, 40_870, 16, 3_830, 20_000, 64, 1),
}
"""From benchmarks/results/: toys-20.json (training, evaluation), serving.json
(recommending, MGNM), scoring.json (recommending, GRU4Rec: users a second of
processor time, for the machine was not quiet)."""
