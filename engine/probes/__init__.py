"""Probes: what is measured in a running training, when, and at what price."""
