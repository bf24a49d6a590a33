"""Pieces that show runs and act on them."""
