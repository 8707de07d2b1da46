"""Contract suites and scripted models, for our tests and for those who extend whet."""
