"""Metrics of this process, for Prometheus. Nothing of prometheus-client is imported unless METRICS_PORT is set."""
