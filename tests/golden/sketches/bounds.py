#!/usr/bin/env python3
"""Writes the tables behind the bounds of small HLL and Theta sketches, as the reference library answers when it is asked.
usage: bounds.py FOLDER, which is sketches/; needs datasketches 5.2.0."""
import math
import os
import struct
import sys

import datasketches as ds

THETA_MAX = 2**63 - 1
SIGMAS = (1, 2, 3)


def header(what, name, lines):
    return f"""// {what}
// Written by tests/golden/sketches/bounds.py, which asks the reference; not for users of the sketch.
// Memory: none. Cost: none. Threads: constant. Errors: none. Source: datasketches-cpp, as PyPI datasketches 5.2.0.
#pragma once

namespace weir::{name} {{

""" + "\n".join(lines) + f"\n\n}}  // namespace weir::{name}\n"


def row(values, note):
    return "    {" + ", ".join(values) + "},  // " + note


def hll_table(name, merged):
    yield f"inline constexpr double {name}[9][6] = {{"
    for lg_k in range(4, 13):
        yield row([repr(abs(ds.hll_sketch.get_rel_err(upper, merged, lg_k, s))) for upper in (False, True) for s in SIGMAS],
                  f"lg_k {lg_k}")
    yield "};"


def theta_sketch(count, theta):
    head = struct.pack("<BBBHBHIIQ", 3, 3, 3, 0, 0x1A, 0x93CC, count, 0, theta)
    return ds.compact_theta_sketch.deserialize(head + struct.pack(f"<{count}Q", *range(1, count + 1)))


def factor(count, theta, bound, direction):
    """What stands for the sigmas in the Wilson bound that gives this one."""
    raw = bound - direction / 2
    n = (count + direction / 2) / theta
    return direction * (raw - n) / math.sqrt(raw) / math.sqrt((1 - theta) / theta)


def theta_factor(count, sigmas, direction):
    found = []
    for power in range(4, 31):
        sketch = theta_sketch(count, THETA_MAX >> power)
        if 2.0**-power < count / 360:
            bound = sketch.get_upper_bound(sigmas) if direction > 0 else sketch.get_lower_bound(sigmas)
            found.append(factor(count, sketch.theta, bound, direction))
    found.sort()
    middle = found[len(found) // 2]
    # A lower bound of one is found in another way.
    assert found[-1] - found[0] < 1e-11 * middle or (count == 1 and direction < 0), (count, sigmas, found)
    return f"{middle:.13g}"


def theta_table():
    yield "inline constexpr double sigmas_of[120][6] = {"
    for count in range(1, 121):
        lower = ["0"] * 3 if count == 1 else [theta_factor(count, s, -1) for s in SIGMAS]
        yield row(lower + [theta_factor(count, s, 1) for s in SIGMAS], f"{count}")
    yield "};"


def main(folder):
    hll = ["// By lg_k from 4, then lower bounds at 1, 2, 3 sigma, and upper: the bound's relative distance."]
    hll += [*hll_table("hip_distance", False), *hll_table("merged_distance", True)]
    theta = ["// By the number of hashes from 1, then lower bounds at 1, 2, 3 sigma, and upper: what stands for the sigmas."]
    theta += theta_table()
    for file, what, name, lines in (("hll_bounds_detail.h", "Bounds of HLL with few registers.", "hll_detail", hll),
                                    ("theta_bounds_detail.h", "Bounds of Theta with few hashes.", "theta_detail", theta)):
        with open(os.path.join(folder, file), "w") as out:
            out.write(header(what, name, lines))


if __name__ == "__main__":
    main(sys.argv[1])
