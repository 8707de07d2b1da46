"""Finding passages: keyword and dense search, in memory."""
