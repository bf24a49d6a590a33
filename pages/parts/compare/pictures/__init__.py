"""What a comparison draws, one file a kind of picture; the folder is the register."""
