"""Detectors of graph networks."""
