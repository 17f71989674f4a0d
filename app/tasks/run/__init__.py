"""One attempt: how it is claimed and ended. Every end is written by ``end``; what follows is in ``after_commit``."""
