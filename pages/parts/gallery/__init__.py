"""What the gallery is made of: recorded curves as pictures, facts of a preset, filters, and what a card starts."""
