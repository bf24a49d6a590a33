"""A map that can be entered: a component of our own, drawn on a canvas, that asks the lab for its tiles by itself."""
