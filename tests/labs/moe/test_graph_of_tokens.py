"""The graph-of-tokens router: both graphs against loops in float64, causality, and what is left of it without neighbours.

Shapes: B sequences, L positions, T = B L tokens, D width, E experts, k experts per token.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.byte_transformer import ByteTransformer
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.routing import RouteContext, routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.graph_of_tokens import GraphOfTokensRouter
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter
from tests.support.routing import no_text

B, L, D, E = 3, 7, 6, 5
GRAPHS = ("similarity", "attention")


def router(graph: str = "similarity", k: int = 2, mix: float = 0.5, temperature: float = 0.7, balance: float = 0.2) -> GraphOfTokensRouter:
    return initialise(GraphOfTokensRouter(D, E, k, 4.0, graph, mix, temperature, balance), 0).double()


def tokens(T: int = B * L, seed: int = 1) -> Tensor:
    return torch.randn(T, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def attention(seed: int = 2) -> Tensor:
    scores_BLL = torch.randn(B, L, L, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return scores_BLL.masked_fill(torch.ones(L, L).triu(1).bool(), -torch.inf).softmax(-1)


def text(edges_BLL: Tensor | None = None) -> RouteContext:
    given = attention() if edges_BLL is None else edges_BLL
    return replace(no_text(B * L, L), attention=lambda: given)


def mixed(made: GraphOfTokensRouter, x_TD: Tensor, edges_BLL: Tensor) -> list[list[Tensor]]:
    """The mixed probabilities of each token, one pair of positions at a time."""
    out = []
    for b in range(B):
        u = [x_TD[b * L + i] for i in range(L)]
        logits = [[made.weight[e] @ u[i] for e in range(E)] for i in range(L)]
        p = [[s.exp() / sum(o.exp() for o in row) for s in row] for row in logits]
        for i in range(L):
            if made.graph == "attention":
                A = [edges_BLL[b, i, j].detach() for j in range(i + 1)]
            else:
                near = [(u[i] @ made.similarity @ u[j] / (made.temperature * math.sqrt(D))).exp() for j in range(i + 1)]
                A = [n / sum(near) for n in near]
            around = [sum(A[j] * p[j][e] for j in range(i + 1)) for e in range(E)]
            out.append([(1 - made.mix_share) * p[i][e] + made.mix_share * around[e] for e in range(E)])
    return out


@pytest.mark.parametrize("mix", [0.3, 1.0])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("graph", GRAPHS)
def test_choice_weights_loss_and_gradients_equal_a_loop(graph: str, k: int, mix: float) -> None:
    made, x_TD, edges_BLL = router(graph, k, mix), tokens().requires_grad_(), attention().requires_grad_()
    got, rows = made(x_TD, text(edges_BLL)), mixed(made, x_TD, edges_BLL)
    chosen = [sorted(range(E), key=lambda e: -row[e].item())[:k] for row in rows]
    total = [sum(row[e] for e in some) if k > 1 else 1.0 for row, some in zip(rows, chosen, strict=True)]
    weights_Tk = torch.stack([torch.stack([row[e] / n for e in some]) for row, some, n in zip(rows, chosen, total, strict=True)])
    assert got.experts_Tk.tolist() == chosen
    torch.testing.assert_close(got.weights_Tk, weights_Tk, rtol=1e-11, atol=1e-13)
    share = [sum(some.count(e) for some in chosen) / (B * L * k) for e in range(E)]
    balance = 0.2 * E * sum(share[e] * sum(row[e] for row in rows) / (B * L) for e in range(E))
    torch.testing.assert_close(got.losses["balance"], balance, rtol=1e-7, atol=0.0)  # the shares of the load are in fp32
    scores_TE = torch.stack([torch.stack(row) for row in rows])
    torch.testing.assert_close(got.probs_TE, scores_TE, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(got.logits_TE, scores_TE.detach().log(), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(got.logits_TE.softmax(-1), got.ranked_TE, rtol=1e-10, atol=1e-12)
    inputs = [x_TD, *made.parameters()]
    pairs = [(got.losses["balance"], balance), (got.weights_Tk.square().sum(), weights_Tk.square().sum())]
    for one, other in pairs:
        ours, theirs = (torch.autograd.grad(value, inputs, retain_graph=True) for value in (one, other))
        for a, b in zip(ours, theirs, strict=True):
            assert a.abs().max() > 0 or k == E, "all experts of a token: the balance is even whatever the probabilities"
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_the_graph_of_attention_takes_no_gradient_back_into_attention() -> None:
    edges_BLL = attention().requires_grad_()
    made = router("attention")
    got = made(tokens(), text(edges_BLL))
    assert torch.autograd.grad(got.weights_Tk.square().sum(), edges_BLL, allow_unused=True, retain_graph=True) == (None,)
    assert [name for name, _ in made.named_parameters()] == ["weight"]


@pytest.mark.parametrize("graph", GRAPHS)
def test_without_neighbours_it_chooses_and_balances_as_softmax_top_k(graph: str) -> None:
    x_TD, context = tokens(), no_text(B * L, L)  # not even attention is wanted
    for k in (1, 2):
        made, plain = router(graph, k, mix=0.0), SoftmaxTopKRouter(D, E, k, 1.0, 0.2, 0.0)
        plain.weight = made.weight
        got, expected = made(x_TD, context), plain(x_TD, context)
        assert torch.equal(got.experts_Tk, expected.experts_Tk)
        assert torch.equal(got.losses["balance"], expected.losses["balance"])
        whole = expected.weights_Tk.sum(dim=1, keepdim=True) if k > 1 else 1.0
        assert torch.equal(got.weights_Tk, expected.weights_Tk / whole)
        assert torch.equal(got.probs_TE, expected.probs_TE)


def test_the_first_token_of_a_sequence_has_no_neighbour_and_an_even_graph_makes_late_tokens_alike() -> None:
    x_TD = tokens()
    for graph in GRAPHS:
        got = router(graph)(x_TD, text()).probs_TE.view(B, L, E)[:, 0]
        torch.testing.assert_close(got, router(graph, mix=0.0)(x_TD, text()).probs_TE.view(B, L, E)[:, 0])
    even_BLL = torch.ones(B, L, L, dtype=torch.float64).tril() / torch.arange(1, L + 1).unsqueeze(1)
    apart, alike = (router("attention", mix=mix)(x_TD, text(even_BLL)).probs_TE.view(B, L, E) for mix in (0.0, 1.0))
    assert (alike[:, -1] - alike[:, -2]).abs().max() < 0.5 * (apart[:, -1] - apart[:, -2]).abs().max()


def test_the_graph_of_attention_without_attention_is_answered_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="graph of attention needs a block with attention"):
        router("attention")(tokens(), no_text(B * L, L))


def test_the_logits_stay_finite_where_a_probability_underflows() -> None:
    made = GraphOfTokensRouter(D, E, 2, 1.0)
    torch.nn.init.normal_(made.weight, std=200.0, generator=torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(made.similarity)
    got = made(tokens().float(), no_text(B * L, L))
    assert got.probs_TE.eq(0).any()
    assert got.logits_TE.isfinite().all()
    assert got.weights_Tk.isfinite().all()


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_layer_passes_gradcheck(graph: str) -> None:
    made = initialise(MoELayer(D, E, 3, GraphOfTokensRouter(D, E, 2, 4.0, graph)), 1).double()
    names = [name for name, _ in made.named_parameters()]
    values = [made.get_parameter(name).detach().clone().requires_grad_() for name in names]

    def run(x_TD: Tensor, *weights: Tensor) -> Tensor:
        y_TD, losses = torch.func.functional_call(made, dict(zip(names, weights, strict=True)), (x_TD, text()))
        return y_TD.sum() + losses["balance"] + y_TD.square().sum()

    assert torch.autograd.gradcheck(run, (tokens().requires_grad_(), *values))


def model(graph: str) -> ByteTransformer:
    return initialise(ByteTransformer(16, 2, 2, 12, 6, 8, lambda layer: GraphOfTokensRouter(16, 6, 2, 4.0, graph)), 3).double()


def routes(made: ByteTransformer, ids_BL: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
    """-> logits, chosen experts of each layer, probabilities of the first layer; each by sequence and position."""
    logits_BLV, _ = made(ids_BL)
    records = [layer.record for layer in routed(made).values()]
    return logits_BLV, [r.experts_Tk.view(*ids_BL.shape, -1) for r in records], records[0].probs_TE.view(*ids_BL.shape, -1)


@pytest.mark.parametrize("t0", [1, 6, 11])
@pytest.mark.parametrize("graph", GRAPHS)
def test_no_result_depends_on_a_later_byte(graph: str, t0: int) -> None:
    made = model(graph)
    ids_BL = torch.randint(256, (3, 12), generator=torch.Generator().manual_seed(0))
    changed_BL = ids_BL.clone()
    changed_BL[:, t0:] = (changed_BL[:, t0:] + 77) % 256
    before, after = routes(made, ids_BL), routes(made, changed_BL)
    assert all(torch.equal(a[:, :t0], b[:, :t0]) for a, b in zip(before[1], after[1], strict=True))
    assert torch.equal(before[2][:, :t0], after[2][:, :t0]), "to the last bit, where no expert has computed yet"
    assert not torch.equal(before[2][:, t0:], after[2][:, t0:])
    # Which rows share an expert's matrix product changes with the later bytes, so a last bit may; anything that leaks is far larger.
    torch.testing.assert_close(before[0][:, :t0], after[0][:, :t0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("graph", GRAPHS)
def test_an_earlier_byte_moves_a_later_route_and_another_sequence_does_not(graph: str) -> None:
    made = model(graph)
    ids_BL = torch.randint(256, (4, 12), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made(ids_BL)[0][:1], made(ids_BL[:1])[0], rtol=0, atol=1e-13)
    other_BL = ids_BL.clone()
    other_BL[1:] = (other_BL[1:] + 77) % 256
    before, after = routes(made, ids_BL), routes(made, other_BL)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(before[1], after[1], strict=True))
    assert torch.equal(before[2][0], after[2][0])
    router_, x_TD = router(graph), tokens()
    moved_TD = x_TD.clone()
    moved_TD[0] += 1.0
    assert not torch.allclose(router_(x_TD, text()).probs_TE[1:L], router_(moved_TD, text()).probs_TE[1:L])


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_lab_trains_with_it(graph: str) -> None:
    lab = Moe.model_validate({"router": {"is": "graph_of_tokens", "graph": graph}, "batch_size": 2})
    made = lab.model()
    losses = lab.loss(made, lab.batch(0), 0)
    assert losses["train"].isfinite()
    losses["train"].backward()
    assert all(p.grad.abs().sum() > 0 for layer in routed(made).values() for p in layer.router.parameters())
