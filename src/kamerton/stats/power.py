"""What a sample can show."""

from __future__ import annotations

from statistics import NormalDist

__all__ = ["minimum_detectable_effect"]


def minimum_detectable_effect(standard_error: float | None, *, alpha: float, power: float) -> float | None:
    """Smallest true paired difference that a two-sided test at `alpha` finds with probability `power`.

    (z_{1-alpha/2} + z_power) * SE (Miller 2024, arXiv 2411.00640, section 5), with the clustered standard error of
    the observed difference, in its unit. None without a standard error, and where it is 0: a sample without
    spread says nothing about the spread to come.
    """
    if not standard_error:
        return None
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)) * standard_error
