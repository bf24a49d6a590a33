"""Charts of the dynamics of training."""
