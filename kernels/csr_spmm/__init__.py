"""Kernel csr_spmm: message passing along the edges of a graph."""
