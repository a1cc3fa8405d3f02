"""Programs, not tests: those that need the peers, or each other, are no doctests."""

collect_ignore = ["servers", "router.py"]
