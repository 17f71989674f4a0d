"""Break a stack in twelve ways, and watch the real alerts (``scripts/rehearse``)."""
