"""The `whet` command."""
