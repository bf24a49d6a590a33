"""Custom CUDA kernels, one folder each; README.md tells how they are built, proven and used."""
