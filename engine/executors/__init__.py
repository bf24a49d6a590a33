"""Executors: ways to start a worker; each speaks submit, status, stop, logs."""
