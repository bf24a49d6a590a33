"""What writes docs/: measurements and the reference."""
