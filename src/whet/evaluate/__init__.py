"""Run a program over examples and score it: metrics, rows, statistics, progress, reports."""
