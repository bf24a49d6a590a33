"""Charts of diffusion and consistency models."""
