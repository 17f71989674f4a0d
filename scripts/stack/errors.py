"""What can go wrong, said in one line with its remedy."""


class StackError(Exception):
    """A failure whose message is fit for people: one line, with what to do about it."""


class ChildDiedError(StackError):
    """A process ended while it was starting; the message names it and its log."""
