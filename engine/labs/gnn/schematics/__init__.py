"""Schematics of graph networks."""
