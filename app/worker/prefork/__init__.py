"""The prefork pool: child processes that run one attempt each, and a main process that supervises them."""
