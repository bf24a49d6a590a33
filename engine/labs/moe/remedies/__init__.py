"""Remedies, a folder for each question of mixtures of experts."""
