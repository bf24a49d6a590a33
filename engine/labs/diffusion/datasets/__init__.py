"""Data of diffusion and consistency models."""
