"""Schematics of the dynamics of training."""
