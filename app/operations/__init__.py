"""Operations: acts on many of a tenant's objects, which are accepted at once and run in the background."""
