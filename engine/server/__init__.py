"""The lab's service and its routes."""
