"""One attempt: how it is claimed and ended. Every way to end goes through ``end``, then ``after_commit``."""
