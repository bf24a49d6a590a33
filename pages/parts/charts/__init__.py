"""Charts and pictures of a page: the live component, the still one, and what stands around them."""
