"""The queue: who starts when, and how a run is stopped."""
