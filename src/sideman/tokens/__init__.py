"""Score to events and back: vocabulary, grid, codec, grammar and task layouts."""
