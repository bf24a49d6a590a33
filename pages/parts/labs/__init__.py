"""What stands on the page of a lab alone."""
