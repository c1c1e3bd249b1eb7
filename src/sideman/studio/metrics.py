"""What is counted, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

REPLY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """Counters of one studio."""

    def __init__(self, queue_length: Callable[[], int]) -> None:
        """Count from 0; `queue_length` is asked when somebody wants to know."""
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.replies = Histogram(
            "sideman_reply_seconds",
            "Time until a reply was complete.",
            labels,
            registry=self._registry,
            buckets=REPLY_BUCKETS_S,
        )
        self.refusals = Counter(
            "sideman_refusals_total",
            "Requests that were refused, by code.",
            ("code",),
            registry=self._registry,
        )
        self.votes = Counter(
            "sideman_votes_total", "Votes stored.", ("answer",), registry=self._registry
        )
        self.pair_seconds = Histogram(
            "sideman_pair_seconds", "Time to make a pair.", registry=self._registry
        )
        self.sockets = Gauge(
            "sideman_sockets", "WebSockets that are open.", registry=self._registry
        )
        waiting = Gauge("sideman_jobs_waiting", "Jobs that wait.", registry=self._registry)
        waiting.set_function(queue_length)

    def text(self) -> bytes:
        """Return everything in the format that Prometheus reads."""
        return generate_latest(self._registry)
