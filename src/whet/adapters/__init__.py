"""Adapters: how a signature becomes messages, and an answer becomes values."""

from whet.adapters.baml import BAMLAdapter
from whet.adapters.base import Adapter, Reading
from whet.adapters.chat import ChatAdapter
from whet.adapters.json import JSONAdapter
from whet.adapters.style import Style
from whet.adapters.template import TemplateAdapter
from whet.adapters.two_step import TwoStepAdapter
from whet.adapters.xml import XMLAdapter

__all__ = [
    "Adapter",
    "BAMLAdapter",
    "ChatAdapter",
    "JSONAdapter",
    "Reading",
    "Style",
    "TemplateAdapter",
    "TwoStepAdapter",
    "XMLAdapter",
]
