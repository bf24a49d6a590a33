"""Data of mixtures of experts."""
