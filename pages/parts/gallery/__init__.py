"""The gallery: recorded curves as posters, filters, and runs with several seeds."""
