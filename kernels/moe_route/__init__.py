"""Kernel moe_route: a router in one pass, and its stable sort."""
