"""Scripted models, stub servers and contract suites, for our tests and for yours."""

from whet.testing.adapter_contract import AdapterContract
from whet.testing.lm_contract import LMContract
from whet.testing.no_real_calls import no_real_calls
from whet.testing.optimizer_contract import OptimizerContract
from whet.testing.scripted import ScriptedLM
from whet.testing.stub import Received, StubServer

__all__ = ["AdapterContract", "LMContract", "OptimizerContract", "Received", "ScriptedLM", "StubServer", "no_real_calls"]
