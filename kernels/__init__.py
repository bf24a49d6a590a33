"""Custom CUDA kernels: pairs of <name>.cu and <name>.py.  None is built yet; see README.md."""
