"""Remedies: a folder is a question, a file in it one published answer."""
