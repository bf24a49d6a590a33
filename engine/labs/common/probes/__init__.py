"""Probes of every lab."""
