"""Programs watched while they run: fields as they come, tools, status, usage."""
