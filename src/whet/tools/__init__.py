"""What a model may call: `Tool`, and the tools of MCP servers."""
