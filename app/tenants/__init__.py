"""Customers, their plans and limits."""
