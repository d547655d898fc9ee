"""The same windows once more, in plain Python: slow, obvious, and with no sketch in it."""

import math
from collections import Counter
from fractions import Fraction

UNIT_ROUNDOFF = 2.0**-53


def tumble(
    events, size_ms, key, lateness_ms, partition=lambda event: None, keep=lambda event: True
):
    """Events (dicts with "ts" in ms) in the order of their messages; each is a message of its own.

    Returns ({(key, start): [events]}, late): half-open windows aligned to the epoch; an event
    comes late when the watermark, the greatest time of its partition less the lateness, has passed the
    end of its window.
    """
    windows, greatest, late = {}, {}, 0
    for event in events:
        where = partition(event)
        start = event["ts"] // size_ms * size_ms
        watermark = greatest.get(where, -math.inf) - lateness_ms
        if keep(event):
            if start + size_ms <= watermark:
                late += 1
            else:
                windows.setdefault((key(event), start), []).append(event)
        greatest[where] = max(greatest.get(where, -math.inf), event["ts"])
    return windows, late


def sum_bound(numbers):
    """How far a compensated sum may be from the true one: 2u|S| + n^2 u^2 sum|x|."""
    true = math.fsum(numbers)
    return 2 * UNIT_ROUNDOFF * abs(true) + len(numbers) ** 2 * UNIT_ROUNDOFF**2 * math.fsum(
        map(abs, numbers)
    )


def stddev(numbers):
    """Of the sample (n - 1), exactly until the root; None below two numbers."""
    if len(numbers) < 2:
        return None
    exact = [Fraction(x) for x in numbers]
    mean = sum(exact) / len(exact)
    return math.sqrt(sum((x - mean) ** 2 for x in exact) / (len(exact) - 1))


def rank_interval(numbers, value):
    """The share of numbers below value, and the share not above it."""
    return (
        sum(x < value for x in numbers) / len(numbers),
        sum(x <= value for x in numbers) / len(numbers),
    )


def quantile(numbers, rank):
    """The least number with at least the share rank of all numbers at or below it."""
    ordered = sorted(numbers)
    return ordered[max(0, math.ceil(rank * len(ordered)) - 1)]


def counts(items):
    return Counter(items)
