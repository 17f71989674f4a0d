"""The HTTP parts that every room shares: protocol limits, strict JSON bodies, problems, lists and the API document."""
