"""The blocking client. Most of its modules are written from ``_async``; those that are here keep their form."""
