"""Where a model's server is and how it wants to be addressed and signed in to, one module per kind of place."""
