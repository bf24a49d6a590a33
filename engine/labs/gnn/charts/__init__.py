"""Charts of graph networks."""
