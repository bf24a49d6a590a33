"""Labs: one experiment family each, as a declaration."""
