"""The Mixture-of-Experts layer against plain loops, and what the model around it promises.

Shapes: T tokens, d width, E experts, k experts per token, B sequences, L positions, V bytes.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from engine.labs.common.models.attention_tap import AttentionTap
from engine.labs.common.models.initialise import initialise
from engine.labs.moe.models.byte_transformer import ByteTransformer
from engine.labs.moe.models.moe_layer import MoELayer
from engine.labs.moe.models.router_scores import RouterModule, top_k
from engine.labs.moe.models.routing import RouteContext, RoutingRecord, routed
from engine.labs.moe.moe import Moe
from engine.labs.moe.remedies.router.hash import HashRouter
from engine.labs.moe.remedies.router.softmax_top_k import SoftmaxTopKRouter
from tests.support.routing import no_text


def layer(d: int, experts: int, k: int, hidden: int = 5, seed: int = 0) -> MoELayer:
    made = MoELayer(d, experts, hidden, SoftmaxTopKRouter(d, experts, k, 1.0, 0.0, 0.0))
    return initialise(made, seed).double()


def plain(made: MoELayer, x_TD: Tensor, k: int) -> Tensor:
    """The same layer, one token and one expert at a time."""
    out = []
    for x in x_TD:
        p = torch.softmax(made.router.weight @ x, 0)
        chosen = sorted(range(len(p)), key=lambda e: (-p[e].item(), e))[:k]
        out.append(sum(p[e] * (made.weight_out[e] @ gelu(made.weight_in[e] @ x)) for e in chosen))
    return torch.stack(out)


class Forced(RouterModule):
    """A router that does as it is told."""

    def __init__(self, experts: int, chosen_Tk: Tensor) -> None:
        super().__init__(experts, chosen_Tk.shape[1])
        self.chosen_Tk = chosen_Tk

    def forward(self, x_TD: Tensor, context: RouteContext) -> RoutingRecord:
        weights = torch.ones_like(self.chosen_Tk, dtype=x_TD.dtype)
        return RoutingRecord(self.chosen_Tk, weights, torch.zeros(len(x_TD), self.experts), None, "hash")


def tokens(T: int, d: int, seed: int = 1) -> Tensor:
    return torch.randn(T, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("T", "d", "E", "k"), [(13, 7, 5, 5), (13, 7, 5, 1), (17, 6, 11, 3), (1, 3, 2, 2)])
def test_the_layer_equals_a_plain_loop_over_tokens_and_experts(T: int, d: int, E: int, k: int) -> None:
    made, x_TD = layer(d, E, k), tokens(T, d)
    y_TD, losses = made(x_TD, no_text(T))
    assert not losses
    torch.testing.assert_close(y_TD, plain(made, x_TD, k), rtol=1e-12, atol=1e-14)


def test_with_all_experts_chosen_the_layer_is_the_dense_mixture() -> None:
    made, x_TD = layer(6, 4, k=4), tokens(9, 6)
    p_TE = torch.softmax(x_TD @ made.router.weight.T, -1)
    hidden_TEn = gelu(torch.einsum("end,td->ten", made.weight_in, x_TD))
    dense_TD = torch.einsum("te,edn,ten->td", p_TE, made.weight_out, hidden_TEn)
    torch.testing.assert_close(made(x_TD, no_text(9))[0], dense_TD, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("k", [4, 2, 1])
def test_the_gradients_of_tokens_router_and_experts_pass_gradcheck(k: int) -> None:
    made, x_TD = layer(3, 4, k, hidden=2), tokens(5, 3).requires_grad_()
    names = ["router.weight", "weight_in", "weight_out"]
    values = [made.get_parameter(name).detach().clone().requires_grad_() for name in names]

    def run(x_TD: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(made, dict(zip(names, weights, strict=True)), (x_TD, no_text(5)))[0]

    assert torch.autograd.gradcheck(run, (x_TD, *values))


@pytest.mark.parametrize("chosen", [[[0]] * 6, [[2]] * 6, [[0], [3], [0], [3], [3], [0]], [[3, 1], [3, 0], [1, 3]]])
def test_experts_without_tokens_and_an_expert_with_all_of_them_are_nothing_special(chosen: list[list[int]]) -> None:
    chosen_Tk = torch.tensor(chosen)
    T, x_TD = len(chosen), tokens(len(chosen), 5).requires_grad_()
    made = initialise(MoELayer(5, 4, 3, Forced(4, chosen_Tk)), 0).double()
    y_TD, _ = made(x_TD, no_text(T))
    expected = [sum(made.weight_out[e] @ gelu(made.weight_in[e] @ x) for e in row) for x, row in zip(x_TD, chosen, strict=True)]
    torch.testing.assert_close(y_TD, torch.stack(expected), rtol=1e-12, atol=1e-14)
    y_TD.square().sum().backward()
    idle = sorted(set(range(4)) - set(chosen_Tk.flatten().tolist()))
    assert made.weight_in.grad[idle].eq(0).all()
    assert made.record.counts_E.tolist() == [int((chosen_Tk == e).sum()) for e in range(4)]


def test_of_equal_scores_the_lowest_expert_wins() -> None:
    scores_TE = torch.tensor([[1.0, 2.0, 2.0, 2.0], [5.0, 5.0, 5.0, 5.0], [0.0, 3.0, 1.0, 3.0]])
    assert top_k(scores_TE, 1).tolist() == [[1], [0], [1]]
    assert top_k(scores_TE, 3).tolist() == [[1, 2, 3], [0, 1, 2], [1, 3, 2]]


def test_the_record_is_detached_and_only_training_replaces_it() -> None:
    made, x_TD = layer(4, 3, 1), tokens(8, 4)
    context = no_text(8)
    made.eval()
    made(x_TD, context)
    assert made.record is None
    made.train()
    made(x_TD, context)
    kept = made.record
    assert not any(t.requires_grad for t in (kept.probs_TE, kept.logits_TE, kept.weights_Tk))
    assert kept.counts_E.sum() == 8
    assert kept.gate == "softmax"
    made.eval()
    made(x_TD + 1.0, context)
    assert made.record is kept


def small(router: RouterModule | None = None, **over: int) -> ByteTransformer:
    sizes = {"d": 16, "layers": 2, "heads": 2, "context": 12, "experts": 6, "hidden": 8} | over
    return initialise(ByteTransformer(**sizes, make_router=lambda layer: router or SoftmaxTopKRouter(16, 6, 2, 1.0, 0.0, 0.0)), 3)


@pytest.mark.parametrize("router", [None, HashRouter(6, k=1)])
@pytest.mark.parametrize("t0", [1, 5, 11])
def test_no_output_depends_on_a_later_byte(router: RouterModule | None, t0: int) -> None:
    model = small(router).double()
    ids_BL = torch.randint(256, (3, 12), generator=torch.Generator().manual_seed(0))
    changed_BL = ids_BL.clone()
    changed_BL[:, t0:] = torch.randint(256, (3, 12 - t0), generator=torch.Generator().manual_seed(1))
    chosen = []
    before, _ = model(ids_BL)
    chosen.append([m.record.experts_Tk.view(3, 12, -1)[:, :t0] for m in routed(model).values()])
    after, _ = model(changed_BL)
    chosen.append([m.record.experts_Tk.view(3, 12, -1)[:, :t0] for m in routed(model).values()])
    assert all(torch.equal(a, b) for a, b in zip(*chosen, strict=True))
    # Which rows share a matrix product changes with the later bytes, so a last bit may; anything that leaks is far larger.
    torch.testing.assert_close(before[:, :t0], after[:, :t0], rtol=0, atol=1e-13)


def test_no_gradient_flows_from_an_output_to_a_later_byte() -> None:
    model = small()
    seen = []
    model.embedding.register_forward_hook(lambda module, args, out: seen.append(out.retain_grad() or out))
    logits_BLV, _ = model(torch.randint(256, (2, 12), generator=torch.Generator().manual_seed(0)))
    logits_BLV[:, :7].square().sum().backward()
    assert seen[0].grad[:, 7:].eq(0).all()
    assert seen[0].grad[:, :7].ne(0).any(dim=-1).all()


def test_a_sequence_does_not_depend_on_its_companions_in_the_batch() -> None:
    model = small().double()
    ids_BL = torch.randint(256, (4, 12), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(ids_BL)[0][:1], model(ids_BL[:1])[0], rtol=0, atol=1e-13)


def test_a_nan_in_the_router_is_seen_in_the_output_and_in_the_record() -> None:
    made, x_TD = layer(4, 3, 1), tokens(5, 4)
    with torch.no_grad():
        made.router.weight[1, 2] = torch.nan
    y_TD, _ = made(x_TD, no_text(5))
    assert y_TD.isnan().all()
    assert made.record.logits_TE.isnan().any()


def test_the_router_stays_in_fp32_under_autocast() -> None:
    made = initialise(MoELayer(8, 4, 6, SoftmaxTopKRouter(8, 4, 1, 1.0, 0.0, 0.0)), 0)
    x_TD = torch.randn(10, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y_TD, _ = made(x_TD, no_text(10))
    assert y_TD.dtype == torch.bfloat16
    assert made.record.logits_TE.dtype == torch.float32
    assert torch.equal(made.record.logits_TE, x_TD @ made.router.weight.T)


def test_the_model_of_the_lab_has_a_third_of_a_million_parameters_and_two_routed_layers() -> None:
    lab = Moe()
    model = lab.model()
    assert sum(p.numel() for p in model.parameters()) == 336_512
    assert list(routed(model)) == ["blocks.0.moe", "blocks.1.moe"]
    assert sum(isinstance(m, AttentionTap) for m in model.modules()) == 2
    assert 0.45 < model.embedding.weight.std() < 0.55
    assert abs(model.blocks[0].moe.router.weight.std().item() - (3 * lab.d_model) ** -0.5) < 0.003


def test_arms_of_one_seed_differ_in_their_router_alone() -> None:
    arms = [Moe.model_validate({"router": answer}).model().state_dict() for answer in Moe.model_fields["router"].annotation.answers()]
    for one in arms:
        for other in arms:
            both = one.keys() & other.keys()
            assert all("router" in name for name in both if one[name].shape != other[name].shape), "several routers have several matrices"
            assert all(torch.equal(one[name], other[name]) for name in both if one[name].shape == other[name].shape)
            assert all("router" in name for name in one.keys() ^ other.keys())
    other_seed = Moe(seed=1).model().state_dict()
    assert not torch.equal(other_seed["head.weight"], arms[0]["head.weight"])


def test_a_batch_is_a_pure_function_of_the_data_seed_and_its_number() -> None:
    lab, again = Moe(seed=5), Moe(seed=9, data_seed=5)
    lab.batch(3)
    torch.manual_seed(123)
    first = lab.batch(7)
    torch.manual_seed(321)
    assert torch.equal(first["inputs"], again.batch(7)["inputs"])
    assert not torch.equal(first["inputs"], lab.batch(8)["inputs"])
    assert not torch.equal(first["inputs"], Moe(seed=6).batch(7)["inputs"])
    assert first["inputs"].shape == (16, 64)
    assert torch.equal(first["inputs"][:, 1:], first["targets"][:, :-1])


def test_validation_is_the_same_at_every_call_and_for_every_seed() -> None:
    one, two = [list(Moe(seed=s).validation()) for s in (0, 1)]
    assert [len(batch["inputs"]) for batch in one] == [len(batch["inputs"]) for batch in two] == [128, 128]
    assert all(torch.equal(a["inputs"], b["inputs"]) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("bad", "message"),
    [({"heads": 5}, "heads=5 does not divide d_model=64"), ({"experts": 4, "router": {"is": "softmax_top_k", "k": 8}}, "k=8")],
)
def test_sizes_that_do_not_fit_each_other_are_answered_in_a_sentence(bad: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Moe.model_validate(bad).model()
