"""Probes of diffusion and consistency models."""
