"""Panels of the dynamics of training."""
