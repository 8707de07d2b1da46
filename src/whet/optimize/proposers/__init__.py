"""What makes candidates: demos from labels and from right answers, instructions from failures, and combinations of both."""
