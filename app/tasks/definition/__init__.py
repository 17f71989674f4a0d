"""Task types as their authors define them: the decorator, the payload models and the context of an attempt."""
