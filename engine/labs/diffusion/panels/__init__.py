"""Panels of diffusion and consistency models."""
