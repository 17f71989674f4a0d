"""Measures the product against an empty route, a naive app and other task queues, in interleaved rounds."""
