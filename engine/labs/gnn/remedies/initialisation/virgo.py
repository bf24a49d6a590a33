"""Weights whose variance counts what the graph and its features do to a message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from engine.declare.knobs import knob
from engine.labs.gnn.remedies.initialisation import Initialisation, Setting


class Virgo(Initialisation):
    """Differs: in the authors' code the last layer is a graph convolution to the classes. Here it is a linear map of one node's state, so
    it takes the place of that layer with the identity for S, in both lists. Examples on one graph count as so many graphs side by side.
    """

    idea = (
        "A graph convolution averages over neighbours, so that states shrink by a factor that graph and features decide. It is "
        "computed layer by layer, forwards for the states and backwards for the gradients, and the weights make up for it."
    )
    formula = (
        r"v^{f}_1=\tfrac{2}{m_0},\ v^{f}_l=\tfrac{2}{m_1}\tfrac{c_{l-1}}{c_l},\ c_l=\|S^l\bar x\|^2;\quad "
        r"v^{b}_L=\tfrac{n}{(C-1)\,e_1},\ v^{b}_{L+1-l}=\tfrac{2}{m_1}\tfrac{e_{l-1}}{e_l},\ e_l=\|S^l\mathbf 1\|^2;\quad "
        r"v=\tfrac{2}{1/v^f+1/v^b}"
    )
    paper = "On the Initialization of Graph Neural Networks (Li et al., ICML 2023, arXiv 2312.02622)"
    cost = "One product of each layer's matrix with a vector, twice, before the training."
    fails = (
        "Its backward sums count the loss at every node; where one node is read, as in the transfer task, its derivative spreads over the "
        "others and is smaller in each. Where averaging changes the mean features little, its forward part is nearly Kaiming's. A batch "
        "norm behind every layer divides by whatever scale the weights have. It is defined for messages S h W alone: layer gcn, plain."
    )
    reading = "authors' code"
    source = "utils.py of LspongebobJH/virgo_icml2023, gen_c2_for, gen_c2_back and gen_c2"

    part: Literal["harmonic", "forward", "backward"] = knob(
        "harmonic", "whose variance is kept: states, gradients, or the harmonic mean of both", source="the authors' code: harmonic"
    )

    def limits(self, shapes: Mapping[str, tuple[int, int]], setting: Setting) -> dict[str, float]:
        """ValueError, in one sentence, for a single class, and where the features of every node have the mean 0."""
        from engine.labs.gnn.datasets.variances import harmonic, kept_backward, kept_forward
        from engine.labs.gnn.datasets.walks import convolution_NN

        (features, width), *_ = shapes.values()
        mean_BN = setting.x_BND.double().mean(-1).numpy()
        if setting.classes < 2 or not mean_BN.any():
            wrong = "there is one class" if mean_BN.any() else "the features of every node have the mean 0"
            raise ValueError(f"{wrong}, and initialisation=virgo divides by what is left of both; choose xavier or kaiming.")
        matrices = {id(graph): convolution_NN(graph) for graph in setting.graphs}
        layers = [*(matrices[id(graph)] for graph in setting.graphs), None]
        forward, backward = kept_forward(layers, mean_BN, features, width), kept_backward(layers, mean_BN.shape[1], width, setting.classes)
        variances = {"forward": forward, "backward": backward, "harmonic": harmonic(forward, backward)}[self.part]
        return {name: math.sqrt(3.0 * variance) for name, variance in zip(shapes, variances, strict=True)}
