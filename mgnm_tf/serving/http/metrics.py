"""What a server counts, in the form of Prometheus."""

from prometheus_client import CollectorRegistry
from prometheus_client import Counter
from prometheus_client import Gauge
from prometheus_client import Histogram
from prometheus_client import generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Counters of one server; no label holds what a caller sent."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "mgnm_requests",
            "Requests by path and status code.",
            ["path", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "mgnm_request_seconds",
            "Seconds from request to answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "mgnm_batch_requests",
            "Requests that were answered together.",
            ["model"],
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
            registry=self.registry,
        )
        self.waiting = Gauge(
            "mgnm_waiting_requests",
            "Requests in the queue.",
            ["model"],
            registry=self.registry,
        )
        self.version = Gauge(
            "mgnm_model_version",
            "The version that answers.",
            ["model"],
            registry=self.registry,
        )
        self.reloads = Counter(
            "mgnm_reloads",
            "New versions that were found, by what came of them.",
            ["model", "result"],
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Returns all of them as text."""
        return generate_latest(self.registry)
