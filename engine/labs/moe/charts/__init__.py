"""Charts of mixtures of experts."""
