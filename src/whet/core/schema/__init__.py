"""The one engine that turns types into prompt text and JSON schemas, and text or JSON back into typed values."""

from __future__ import annotations

from whet.core.schema.base import Schema, one_line
from whet.core.schema.build import schema_of
from whet.core.schema.constraint import describe_constraints
from whet.core.schema.document import read_json, read_object
from whet.core.schema.naming import type_name
from whet.core.schema.plain import plain
from whet.core.schema.strict import strict_schema

__all__ = ["Schema", "describe_constraints", "one_line", "plain", "read_json", "read_object", "schema_of", "strict_schema", "type_name"]
