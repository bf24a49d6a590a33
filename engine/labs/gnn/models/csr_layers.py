"""The layers whose message is a weighted sum, over the edges alone: products with a sparse matrix by the kernel csr_spmm.

Same parameters as in layers.py, and the same numbers but for the order of summation.  The kernel knows no forward-mode derivative
and no vmap of its own: for these it computes in plain torch (kernels/csr_spmm/csr_spmm.py).

Shapes: B examples, N nodes, D width, E entries of the matrix.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from engine.labs.gnn.models.layers import Gcn, Gin, Layer, Sage
from kernels.csr_spmm.csr_spmm import csr_spmm
from kernels.csr_spmm.graph import Graph, Rows


class CsrMatrix(nn.Module):
    """The entries of a matrix (N, N), or of one for each example (B, N, N), that are not 0: `matrix @ h` -> (…, N, D).

    One matrix for all examples takes all of them at once, (N, B·D); matrices of their own stand on the diagonal of one (B·N, B·N).
    """

    offset_R: Tensor
    column_E: Tensor
    weight_E: Tensor

    def __init__(self, matrix_NN: Tensor) -> None:
        super().__init__()
        self.nodes = matrix_NN.shape[-1]
        self.examples = None if matrix_NN.ndim == 2 else len(matrix_NN)
        *example, row_E, column_E = matrix_NN.nonzero(as_tuple=True)
        shift_E = example[0] * self.nodes if example else 0
        rows = Graph.from_edges(row_E + shift_E, column_E + shift_E, self.size, self.size).rows  # nonzero lists row after row
        self.register_buffer("offset_R", rows.ptr_N1, persistent=False)
        self.register_buffer("column_E", rows.col_E, persistent=False)
        self.register_buffer("weight_E", matrix_NN[matrix_NN != 0], persistent=False)
        self._graph: Graph | None = None

    @property
    def size(self) -> int:
        """Rows, and columns."""
        return self.nodes * (self.examples or 1)

    @property
    def graph(self) -> Graph:
        """For the kernel, on the device of the buffers; its transpose and its tiles stay with it."""
        if self._graph is None or self._graph.rows.col_E.device != self.column_E.device:
            self._graph = Graph(Rows(self.offset_R, self.column_E), self.size)
        return self._graph

    def __matmul__(self, h_BND: Tensor) -> Tensor:
        weight_E = self.weight_E.to(h_BND.dtype)  # a format that autocast chose
        if self.examples is not None:
            h_BND = h_BND.expand(self.examples, *h_BND.shape[-2:])
            return csr_spmm(self.graph, h_BND.flatten(0, 1), weight_E).view_as(h_BND)
        first_NBD = h_BND.movedim(-2, 0)
        out_NX = csr_spmm(self.graph, first_NBD.flatten(1), weight_E)
        return out_NX.view(first_NBD.shape).movedim(0, -2)


class _Sparse(Layer):
    """Makes the operator of the layer that follows it among the bases a sparse one."""

    def operator(self, adjacency_NN: Tensor) -> Tensor | nn.Module:
        dense_NN = super().operator(adjacency_NN)
        assert isinstance(dense_NN, torch.Tensor)
        return CsrMatrix(dense_NN)


class CsrGcn(_Sparse, Gcn):
    pass


class CsrGin(_Sparse, Gin):
    pass


class CsrSage(_Sparse, Sage):
    pass


LAYERS: dict[str, type[Layer]] = {"gcn": CsrGcn, "gin": CsrGin, "sage": CsrSage}
