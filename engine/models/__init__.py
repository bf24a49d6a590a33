"""Neural networks in plain torch; they know nothing of runs, probes or Lightning."""
