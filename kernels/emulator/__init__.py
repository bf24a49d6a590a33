"""Runs kernels on the CPU: the headers that g++ compiles them against, and what hands them their arguments."""
