"""Mathematical answers: read in plain or LaTeX notation, and compared by meaning."""

from __future__ import annotations

from whet.core.mathematics.equality import final_answer, math_equal, numeric_equal, read_number

__all__ = ["final_answer", "math_equal", "numeric_equal", "read_number"]
