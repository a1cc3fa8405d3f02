"""Programs, not tests; those of the peers need the peers, which no doctest may import."""

collect_ignore = ["servers"]
