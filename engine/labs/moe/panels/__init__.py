"""Panels of mixtures of experts."""
