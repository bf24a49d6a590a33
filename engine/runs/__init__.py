"""One run on disk: its folder, its append-only log, its status."""
