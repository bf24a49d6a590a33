"""Networks and their parts of diffusion and consistency models."""
