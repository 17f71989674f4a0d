"""Declare the tables, in one file for each noun."""
