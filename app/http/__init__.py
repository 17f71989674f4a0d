"""The HTTP parts that every room shares: limits of the protocol, strict bodies, problems, lists, the API document."""
