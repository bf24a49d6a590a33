"""A form for knobs: fields, sliders and the words beside them."""
