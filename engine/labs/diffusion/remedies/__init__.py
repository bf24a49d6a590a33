"""Remedies, a folder for each question of diffusion and consistency models."""
