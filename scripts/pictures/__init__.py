"""Pictures of the console for the docs."""
