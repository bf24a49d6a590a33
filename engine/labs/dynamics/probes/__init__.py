"""What is measured while the dynamics of training are watched."""
