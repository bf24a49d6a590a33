"""Data that labs draw batches from: found on the machine or generated, never fetched unasked."""
