"""Kernel spam_adam: spike-aware Adam in one pass."""
