"""The process that delivers: it claims what is due, signs it, sends it, and writes down what came of it."""
