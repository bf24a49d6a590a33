"""The science: base classes at the door, one folder per topic."""
