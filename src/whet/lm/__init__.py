"""A model: a Request in, a Response out; wrappers around models, providers, the embedded model."""
