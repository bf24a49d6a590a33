"""Kernel sinkhorn: balancing a matrix in the log domain."""
