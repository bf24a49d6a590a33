"""Detectors: pure Python rules that turn readings into events, online and offline alike."""
