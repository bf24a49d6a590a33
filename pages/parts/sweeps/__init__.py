"""Sweeps on pages: the form that makes one, and the group of its runs."""
