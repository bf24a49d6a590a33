"""The pieces of the page *Compare*: its table, its pictures (one file each in pictures/), its sentences, and the seeds it can add."""
