"""What makes a run worthless."""

from scripts.stack.errors import StackError


class BenchmarkError(StackError):
    """Something required does not hold, or an answer was wrong: there are no figures then."""
