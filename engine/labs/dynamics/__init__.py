"""Training as an iterated map: gradient descent that converges, diverges, or stands on the boundary between the two.

Shapes: N trainings side by side (cells of a map), M samples, D inputs and width of every layer.
"""
