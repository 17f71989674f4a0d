"""The parts of the API process that the probes use."""

from dataclasses import dataclass

from app.http.parts import Parts
from app.monitoring.readiness import ReadinessProbe


@dataclass(frozen=True, kw_only=True)
class MonitoringParts(Parts):
    """The parts that the routes for load balancers use."""

    readiness: ReadinessProbe
