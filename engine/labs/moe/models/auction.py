"""An auction that gives every expert the same number of tokens, with nearly the largest total score.

Shapes: T tokens, E experts, J = ceil(T/E) tokens per expert.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kernels.sinkhorn.sinkhorn import sinkhorn

WARM_UP = 20  # iterations of Sinkhorn for the first prices
MOST_ROUNDS = 2000
RAISE = 50  # the range of the scores over this is the least raise


@torch.no_grad()
def auction(scores_TE: Tensor) -> tuple[Tensor, int]:
    """-> (expert of each token, (T,) int64; rounds that it took, 0 where it did not end).

    An expert with n places free bids for the n tokens that are worth most to it, score minus price, of those that it does not hold; for
    each it offers so much that the token is worth as little to it as the next one that it leaves, less a least raise.  The highest offer
    is the new price and takes the token from its holder (Bertsekas 1992; Lewis et al. 2021, "BASE Layers", arXiv 2103.16716, section
    3.1).  It is over when no place is free.  The total score is then at most T least raises below the best possible.  Where T is no
    multiple of E, tokens that are worth the same to everybody fill up; an auction that does not end is filled up by score.
    """
    T, E = scores_TE.shape
    J = -(-T // E)
    N = J * E
    worth_EN = torch.cat([scores_TE, scores_TE.new_zeros(N - T, E)]).T.to(torch.float32).contiguous()
    if E == 1:
        return scores_TE.new_zeros(T, dtype=torch.int64), 1
    least = max(float(worth_EN.max() - worth_EN.min()) / RAISE, 1e-4)
    price_N, holder_N = even_prices(worth_EN, least), torch.full((N,), E, device=scores_TE.device)  # E holds what nobody has
    experts_E1, ranks_J = torch.arange(E, device=scores_TE.device).unsqueeze(1), torch.arange(J, device=scores_TE.device)
    for turn in range(MOST_ROUNDS):
        free_E1 = J - torch.bincount(holder_N, minlength=E + 1)[:E].unsqueeze(1)
        if not bool(free_E1.any()):
            return holder_N[:T], turn
        value_EN = torch.where(holder_N == experts_E1, -torch.inf, worth_EN - price_N)
        best = value_EN.topk(J + 1, dim=1)
        raises_EJ = best.values[:, :J] - best.values.gather(1, free_E1) + least
        bids_EJ = torch.where(ranks_J < free_E1, price_N[best.indices[:, :J]] + raises_EJ, -torch.inf)
        bids_EN = torch.full_like(value_EN, -torch.inf).scatter_(1, best.indices[:, :J], bids_EJ)
        bid_N, bidder_N = bids_EN.max(dim=0)
        sold_N = bid_N > -torch.inf
        price_N, holder_N = torch.where(sold_N, bid_N, price_N), torch.where(sold_N, bidder_N, holder_N)
    return filled(worth_EN, torch.where(holder_N < E, holder_N, -1), J)[:T], 0


def even_prices(worth_EN: Tensor, temperature: float) -> Tensor:
    """Prices at which soft demand is even: those of a few iterations of Sinkhorn (kernels/sinkhorn).

    From prices of 0 the last free places are fought over for hundreds of rounds.
    """
    sharpened_NE = worth_EN.T / temperature
    g_E = sinkhorn(sharpened_NE.contiguous(), WARM_UP).g_KE[-1]
    return temperature * (sharpened_NE + g_E).logsumexp(dim=1)


def filled(worth_ET: Tensor, holder_T: Tensor, most: int) -> Tensor:
    """Tokens without an expert (-1) go, the largest score first, to experts that have a place left; nobody holds more than `most`."""
    holder = holder_T.tolist()
    room = [most - holder.count(expert) for expert in range(len(worth_ET))]
    open_ = [t for t, e in enumerate(holder) if e < 0]
    for _, token, expert in sorted((-float(worth_ET[e, t]), t, e) for t in open_ for e in range(len(worth_ET))):
        if holder[token] < 0 and room[expert] > 0:
            holder[token], room[expert] = expert, room[expert] - 1
    return torch.tensor(holder, device=worth_ET.device)
