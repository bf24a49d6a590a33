"""Layers that pass messages along a graph."""
