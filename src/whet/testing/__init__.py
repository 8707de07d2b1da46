"""Scripted models and contract suites, for our tests and for yours."""

from whet.testing.scripted import ScriptedLM

__all__ = ["ScriptedLM"]
