#!/usr/bin/env bash
# SciPy's quantile of the beta distribution is wrong by a factor of two at a thousand of 10^9.
#
# Package:  scipy 1.17.1 (numpy 2.4.6), CPython's wheels.
# Behaviour: the exact 95 % bounds of a share (Clopper and Pearson) are two quantiles of beta
#   distributions. For 1000 of 1 000 000 000 the lower one comes out above the upper one, and above
#   the share itself; by the same package's cdf it has everything below it instead of 2.5 %.
#   Neighbouring sizes (1000 of 10^8; 100 and 5000 of 10^9) are right.
# Seen:
#   1000 of 1000000000: 1.903149e-06 to 1.063952e-06
#   below the lower one lie 1.0000 instead of 0.025
# Why it matters here: such bounds stand beside every error rate of an evaluation, whose pairs of
#   pictures come to 10^8 and more. Ours are compared with others at sizes at which those agree.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6

"$folder/python/bin/python" - <<'PYTHON'
from scipy.stats import beta

trials, count = 10**9, 1000
low = beta.ppf(0.025, count, trials - count + 1)
high = beta.ppf(0.975, count + 1, trials - count)
below = beta.cdf(low, count, trials - count + 1)
print(f"{count} of {trials}: {low:.6e} to {high:.6e}")
print(f"below the lower one lie {below:.4f} instead of 0.025")
for others in ((10**8, 1000), (10**9, 100), (10**9, 5000)):
    n, k = others
    assert beta.ppf(0.025, k, n - k + 1) < k / n < beta.ppf(0.975, k + 1, n - k), others
assert low > high and below > 0.99, "the lower bound is below the upper one: it has changed"
PYTHON
