"""Graphs as data, and what can be computed of them without a network."""
