"""Serve the metrics by prometheus-client, on a thread. This module alone imports it."""

import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from typing import Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.metrics import gauges
from app.metrics.definitions import METRICS
from app.metrics.tally import BUCKETS, Tally

_BOUNDS: Final = (*(str(bound) for bound in BUCKETS), "+Inf")


class ProcessMetrics(Collector):
    """Everything that this process exports, in the form of prometheus-client."""

    def __init__(self, kind: str, tally: Tally) -> None:
        """``kind`` names the process, as in its log."""
        self._kind, self._tally = kind, tally

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that nothing is read before the first scrape."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics now."""
        yield from self._counters()
        yield from self._histograms()
        values: dict[str, list[gauges.Value]] = defaultdict(list)
        for value in gauges.read(self._kind):
            values[value.name].append(value)
        for name, found in values.items():
            family = GaugeMetricFamily(name, METRICS[name].help, labels=METRICS[name].labels)
            for value in found:
                family.add_metric(value.labels, value.value)
            yield family

    def _counters(self) -> Iterable[Metric]:
        families: dict[str, CounterMetricFamily] = {}
        for name, labels, value in self._tally.counters():
            if name not in families:
                families[name] = CounterMetricFamily(name, METRICS[name].help, labels=METRICS[name].labels)
            families[name].add_metric(labels, value)
        return families.values()

    def _histograms(self) -> Iterable[Metric]:
        families: dict[str, HistogramMetricFamily] = {}
        for name, labels, counts, total in self._tally.histograms():
            if name not in families:
                families[name] = HistogramMetricFamily(name, METRICS[name].help, labels=METRICS[name].labels)
            cumulated = list(zip(_BOUNDS, accumulate(counts), strict=True))
            families[name].add_metric(labels, cumulated, sum_value=total)
        return families.values()


def serve(kind: str, tally: Tally, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
    """Serve ``/metrics`` on a thread. Raises ``OSError`` if the port is not free."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(ProcessMetrics(kind, tally))
    server, thread = start_http_server(port, addr=host, registry=registry)
    # A child that is forked later must not keep the port when this process has ended.
    os.register_at_fork(after_in_child=server.socket.close)
    return server, thread
