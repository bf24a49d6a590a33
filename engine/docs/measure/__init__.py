"""Presets run in full over their seeds, and the records of docs/measured/ that keep the numbers."""
