"""Kernel tensor_stats: statistics of many tensors in one pass."""
