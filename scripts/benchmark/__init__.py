"""Measures the product against an empty route and a naive app: one run, interleaved rounds, real servers."""
