"""Stable ResNet, uniform scaling: each branch is divided by the square root of the number of branches."""

from __future__ import annotations

from engine.labs.diffusion.remedies.residual_scaling import ResidualScaling


class StableResNet(ResidualScaling):
    """Differs: attention and MLP of a U-ViT block are two branches, each counted."""

    idea = "Each of L residual branches is multiplied by 1/√L, so that all of them together add about the energy of one."
    formula = r"h_{l+1}=h_l+\tfrac{1}{\sqrt L}F_l(h_l),\quad \sum_{l=1}^{L}\lambda_l^2=1"
    paper = "Stable ResNet (Hayou, Clerico, He, Deligiannidis, Doucet, Rousseau, AISTATS 2021, arXiv 2010.12859)"
    cost = "Nothing."
    fails = (
        "It says nothing of long skips: their energy still adds up. By its formula the branches of a deep network begin nearly silent; "
        "what that does to the loss stands in the preset silent_remedies."
    )
    reading = "authors' code"
    source = "models/base/resnet.py, BasicBlock, of soufiane001/stable_resnet: the branch divided by √(number of blocks)"

    def branch(self, number: int, branches: int) -> float:
        return branches**-0.5
