"""Panels of graph networks."""
