"""Scripted models, stub servers and contract suites, for our tests and for yours."""

from whet.testing.lm_contract import LMContract
from whet.testing.no_real_calls import no_real_calls
from whet.testing.scripted import ScriptedLM
from whet.testing.stub import Received, StubServer

__all__ = ["LMContract", "Received", "ScriptedLM", "StubServer", "no_real_calls"]
