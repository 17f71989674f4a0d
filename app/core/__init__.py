"""Helpers that every room may import. They import no room and no web framework themselves."""
