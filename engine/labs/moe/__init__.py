"""Topic moe: mixtures of experts, whose router collapses."""
