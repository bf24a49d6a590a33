"""Charts of every lab."""
