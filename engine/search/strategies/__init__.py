"""One file each: a way of choosing which runs of a sweep come next."""
