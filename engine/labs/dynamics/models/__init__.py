"""Trainings small enough that thousands of them fit into a second, and the views through which they are seen."""
