"""What several topics share: probes, detectors and charts of every training, and pieces of figures."""
