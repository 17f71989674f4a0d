"""The operator's commands behind scripts/admin. A command parses arguments and calls functions of other rooms."""
