"""Networks and their parts of every lab."""
