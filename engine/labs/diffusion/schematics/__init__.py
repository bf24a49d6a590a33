"""Schematics of diffusion and consistency models."""
