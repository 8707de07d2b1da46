"""Values and the two drivers; nothing here knows a model, an adapter or a module."""
