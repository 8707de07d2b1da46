"""Adapters: how a signature becomes messages, and an answer becomes values."""

from whet.adapters.base import Adapter, Reading
from whet.adapters.chat import ChatAdapter
from whet.adapters.json import JSONAdapter

__all__ = ["Adapter", "ChatAdapter", "JSONAdapter", "Reading"]
