"""Older declarations in today's words: `spec_N.py` takes a spec.json of format N to format N + 1; nothing is ever written back."""
