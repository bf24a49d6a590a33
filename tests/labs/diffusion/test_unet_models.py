"""The two backbones with long skips, and what the lab feeds them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engine.labs.common.norms import clip
from engine.labs.diffusion.datasets.cifar10 import ROW, cifar10
from engine.labs.diffusion.models.noise_embedding import NoiseEmbedding
from engine.labs.diffusion.unet import Unet

SMALL = {"device": "cpu", "skips": 4, "width": 8, "batch_size": 4}
VIT = {"is": "u_vit", "patch": 2, "heads": 2}


def lab(**knobs: Any) -> Unet:
    return Unet.model_validate({**SMALL, **knobs})


def answer(made: Unet) -> torch.Tensor:
    """What leaves the outermost decoder block of the untrained network."""
    model, batch = made.model(), made.batch(0)
    seen: list[torch.Tensor] = []
    model.decoder[0].register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    out = model(*made.diffusion.training_pair(batch["clean"], batch["noise"], batch["sigma"])[:2])
    assert out.shape == batch["clean"].shape
    assert out.eq(0).all() == (made.backbone.name == "unet"), "of the convolutional UNet alone the last layer begins at zero"
    return seen[0]


@pytest.mark.parametrize("backbone", ["unet", VIT], ids=["unet", "u_vit"])
@pytest.mark.parametrize("data", ["digits", "patches_16"])
def test_both_backbones_answer_pictures_with_pictures(backbone: Any, data: str) -> None:
    assert torch.isfinite(answer(lab(backbone=backbone, data=data))).all()


@pytest.mark.parametrize("backbone", ["unet", VIT], ids=["unet", "u_vit"])
def test_no_scaling_is_constant_scaling_with_one_and_arms_share_every_other_weight(backbone: Any) -> None:
    plain, one, learned = (
        lab(backbone=backbone, skip_scaling=s) for s in ("none", {"is": "constant", "kappa": 1.0}, {"is": "learnable", "shared": False})
    )
    assert torch.equal(answer(plain), answer(one))
    first, second = (dict(made.model().named_parameters()) for made in (plain, learned))
    assert first.keys() < second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert {name.split(".")[3] for name in second.keys() - first.keys()} == {"gate"}


@pytest.mark.parametrize("backbone", ["unet", VIT], ids=["unet", "u_vit"])
def test_the_deeper_the_network_the_larger_its_features_at_the_start_unless_skips_are_scaled(backbone: Any) -> None:
    def energy(skips: int, scaling: Any) -> float:
        return sum(answer(lab(backbone=backbone, skips=skips, skip_scaling=scaling, seed=s)).square().sum().item() for s in range(4))

    plain, scaled = (energy(16, s) / energy(4, s) for s in ("none", {"is": "constant", "kappa": 0.5}))
    assert plain > 2.0
    assert scaled < 0.7 * plain


def test_halvings_are_spread_over_the_blocks_and_must_divide_the_picture() -> None:
    assert lab(skips=6, backbone={"is": "unet", "levels": 3}).model().level == [0, 0, 1, 1, 2, 2]
    assert lab(skips=4, backbone={"is": "unet", "levels": 1}).model().level == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="cannot be halved 4 times"):
        lab(skips=5, backbone={"is": "unet", "levels": 5}).model()
    with pytest.raises(ValueError, match="do not divide into patches of 3"):
        lab(backbone={"is": "u_vit", "patch": 3}).model()


def test_the_stable_factor_of_a_branch_counts_every_branch() -> None:
    unet, vit = (lab(residual_scaling="stable", backbone=b).model() for b in ("unet", VIT))
    assert {block.factor for block in unet.encoder} == {9**-0.5}
    assert vit.decoder[0].block.factors == (18**-0.5, 18**-0.5)
    falling = lab(residual_scaling="decreasing").model()
    order = [*falling.encoder, falling.middle, *(d.residual for d in reversed(falling.decoder))]
    assert [b.factor for b in order] == sorted((b.factor for b in order), reverse=True)


def test_a_sum_factor_multiplies_stream_and_branch() -> None:
    halved, plain = (lab(residual_scaling=r).model().encoder[0] for r in ("inverse_sqrt2_sum", "none"))
    h, time = torch.randn(2, 8, 4, 4), torch.randn(2, 8)
    assert torch.allclose(halved(h, time), plain(h, time) * 2**-0.5, atol=1e-6)


def test_batches_depend_on_seed_and_number_alone_and_the_fixed_ones_on_neither() -> None:
    one, same, other = lab(seed=1), lab(seed=5, data_seed=1), lab(seed=2)
    for name, tensor in one.batch(3).items():
        assert torch.equal(tensor, same.batch(3)[name])
        assert not torch.equal(tensor, other.batch(3)[name])
        assert not torch.equal(tensor, one.batch(4)[name])
    for ours, theirs in zip([*one.validation(), one.fixed_batch()], [*other.validation(), other.fixed_batch()], strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_perturbed_input_moves_what_the_network_sees_and_not_what_it_should_answer() -> None:
    calm, pushed = lab(), lab(input_perturbation=0.5)
    first, second = calm.batch(0), pushed.batch(0)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert second["input_noise"].std().item() == pytest.approx(0.5, rel=0.2)
    seen: list[torch.Tensor] = []

    def network(x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return torch.zeros_like(x)

    losses = [made.loss_of_each(network, batch) for made, batch in ((calm, first), (pushed, second))]  # type: ignore[arg-type]
    assert torch.equal(*losses)
    assert torch.allclose(seen[1] - seen[0], second["input_noise"])
    assert "input_noise" not in pushed.fixed_batch()


def test_answering_nothing_costs_about_one() -> None:
    for diffusion in ("edm", "vp"):
        made = lab(batch_size=512, diffusion=diffusion)
        cost = made.loss_of_each(lambda x, label: torch.zeros_like(x), made.batch(0)).mean()  # type: ignore[arg-type]
        assert cost.item() == pytest.approx(1.0, abs=0.12)


def test_the_average_follows_the_weights_and_is_saved_with_them() -> None:
    made = lab(ema_half_life=2.0, warmup=0)
    model = made.model()
    optimizer = made.optimizer.build(model.named_parameters(), 1e-2)
    history = []
    for n in range(4):
        sum(made.loss(model, made.batch(n), n).values()).backward()
        clip(model, torch.tensor(1.0), 1.0)
        optimizer.step()
        made.after_step(model, n)
        history.append(model.head.weight.detach().clone())
    shares = [2.0 ** (-(3 - n) / 2.0) for n in range(4)]
    expected = sum(s * w for s, w in zip(shares, history, strict=True)) / sum(shares)
    assert torch.allclose(model.ema.weights()["head.weight"], expected, atol=1e-6)
    other = made.model()
    other.load_state_dict(model.state_dict())
    x, label = torch.randn(2, 1, 8, 8), torch.zeros(2)
    assert torch.equal(*(m.ema.call(m, x, label) for m in (model, other)))


def test_the_noise_embedding_tells_levels_apart_and_is_computed_in_full_precision() -> None:
    embedding = NoiseEmbedding(8)
    labels = torch.tensor([998.25, 998.5])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        a, b = embedding(labels)
    assert not torch.equal(a, b)
    with pytest.raises(ValueError, match="give an even width"):
        NoiseEmbedding(7)


def test_cifar10_says_where_it_should_lie_and_is_read_when_it_does(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="choose data=patches_32") as caught:
        cifar10(tmp_path)
    assert "\n" not in str(caught.value)
    folder = tmp_path / "cifar10" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(0)
    made = {
        name: torch.randint(0, 256, (3, ROW), generator=draw, dtype=torch.uint8)
        for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    }
    for name, rows in made.items():
        (folder / f"{name}.bin").write_bytes(rows.numpy().tobytes())
    cifar10.cache_clear()
    data = cifar10(tmp_path)
    assert data.train_NCHW.shape == (15, 3, 32, 32)
    red = made["data_batch_2"][1, 1:1025].view(32, 32) / 255.0
    assert torch.allclose(data.pixels(data.train_NCHW[4, 0]), red, atol=1e-5)
    assert data.validation_labels_N.tolist() == made["test_batch"][:, 0].tolist()
    (folder / "test_batch.bin").write_bytes(b"short")
    cifar10.cache_clear()
    with pytest.raises(ValueError, match="5 bytes"):
        cifar10(tmp_path)
