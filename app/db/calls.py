"""Write calls of SQL functions with named parameters, so that the order of a function's parameters does not matter."""


def call(function: str, *names: str, first: int = 1) -> str:
    """Return the SQL text of a call in which each parameter ``p_<name>`` gets the next placeholder (``$1`` …).

    ``names`` are in the order of the arguments; ``first`` is the number of the first placeholder.
    """
    arguments = (f"p_{name} => ${number}" for number, name in enumerate(names, first))
    return f"{function}({', '.join(arguments)})"
