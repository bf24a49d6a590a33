"""What several runs that differ in their seed say about the next one and about each other: pure functions of numbers.

band       median of n runs and the prediction interval that holds one more run with a probability of 90 %
scale      on which the interval is computed: log, logit (k of m), linear; "equal" where all runs agree
pair       two presets run with the same seeds: a ratio or a difference per seed; in a comparison: equal seed and data order
sign flip  the exact test of pairs: under "no difference" each of them could as well have the other sign
arm        runs of one declaration that differ in their seeds only; the arm that others are compared with is the baseline
diverged   in a comparison: a run whose value is not a finite number; it is worse than any finite one
floor      how far runs of the baseline lie apart by their seeds alone
sequence   the test that may be looked at after every seed; its interval is a confidence sequence
"""
