"""The scripts of the hub that everything live on a page shares, in the order in which they build on one another."""

HUB = (
    "charts/chart_look.js",
    "charts/live_ask.js",
    "charts/live_stream.js",
    "charts/live_points.js",
    "charts/live_film.js",
    "charts/live_hub.js",
    "charts/states.js",
)
