"""Running code that a model wrote, without files, network or environment."""
