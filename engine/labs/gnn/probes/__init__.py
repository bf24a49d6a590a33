"""What is measured in graph networks."""
