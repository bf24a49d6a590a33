"""What the labs of this topic ask, and the answers."""
