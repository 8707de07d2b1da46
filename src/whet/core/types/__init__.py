"""Field types of whet's own: history, media, code, reasoning, documents."""
