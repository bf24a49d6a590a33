"""What can be asked for, and turning a request into a complete declaration."""
