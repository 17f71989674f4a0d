"""Calls of SQL functions whose parameters are named, so that no argument depends on the order of a declaration."""


def call(function: str, *names: str, first: int = 1) -> str:
    """Return the text of a call that gives each parameter ``p_<name>`` the next placeholder.

    ``names`` stand in the order of the arguments; ``first`` is the number of the first placeholder.
    """
    arguments = (f"p_{name} => ${number}" for number, name in enumerate(names, first))
    return f"{function}({', '.join(arguments)})"
