"""Charts: frames in, Plotly figure out."""
