"""What the graph lab asks and the published answers."""
