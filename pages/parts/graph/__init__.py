"""A graph that can be touched: a component of our own, drawn on a canvas, that asks the lab for its numbers by itself."""
