"""From a signature and its inputs to messages, and from text back to typed values; pure, and no model in sight."""
