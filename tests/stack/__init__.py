"""Tests of the commands that start and stop the stack."""
