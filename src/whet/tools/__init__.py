"""Functions that a model may call, with schemas read from their types."""
