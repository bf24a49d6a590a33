"""Probes of mixtures of experts."""
