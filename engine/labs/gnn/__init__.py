"""Graph networks that over-squash: graphs, the ways to rewire them, and layers that pass messages along them.

Shapes: N nodes, E undirected edges, L layers, D width, B examples that share a graph.
"""
