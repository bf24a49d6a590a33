"""Schematics of mixtures of experts."""
