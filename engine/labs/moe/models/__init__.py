"""Networks and their parts of mixtures of experts."""
