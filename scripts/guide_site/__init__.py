"""The documentation site: built from docs/ into a folder that an api serves at ``/guide``."""
