"""What several runs that differ in their seed say about the next one: pure functions of numbers.

band       median of n runs and the prediction interval that holds one more run with a probability of 90 %
scale      on which the interval is computed: log, logit (k of m), linear; "equal" where all runs agree
pair       two presets run with the same seeds: a ratio or a difference per seed
sign flip  the exact test of pairs: under "no difference" each of them could as well have the other sign
"""
