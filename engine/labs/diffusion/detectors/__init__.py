"""Detectors of diffusion and consistency models."""
