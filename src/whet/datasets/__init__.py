"""Loaders that give lists of `Example`."""
