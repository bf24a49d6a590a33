"""Files, locks, devices, names: what every process needs."""
