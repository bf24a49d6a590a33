"""Detectors of every lab."""
