"""Custom CUDA kernels: pairs of <name>.cu and <name>.py; README.md tells how they are built, proven and used."""
