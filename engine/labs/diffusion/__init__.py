"""Topic diffusion: UNets with long skip connections, and consistency models."""
