#!/usr/bin/env python3
"""What sketches cost: instructions and nanoseconds per update and per merge, beside a floor and the goals.

    tests/bench/sketches.py [--json] [--quick] [KIND ...]      KIND: the beginning of a row's name, e.g. hll, kll

Instructions are callgrind's, nanoseconds those of the thread's CPU time; both are the difference of a long and a short
run. Sketches are compiled for x86-64-v3. The floor runs in the same run with the same input (README.md says which it
is). "reference" is what issue 4 gives for the reference's C++ library; it is not measured here.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build" / "release"))
PROGRAM = BUILD / "bench" / "bench_sketches"

# row: what it is, the reference's instructions, our goal
UPDATES = {
    "hll-longs": ("HLL lgK 12, 64-bit keys", 88, 44),
    "hll-strings": ("HLL lgK 12, 12-byte strings", 94, 50),
    "hll-hashed": ("HLL lgK 12, hashed before", None, None),
    "theta-longs": ("Theta lgK 12, 64-bit keys", 48, 40),
    "kll-doubles": ("KLL k=200, doubles", 140, 80),
    "kll-long": ("KLL k=200, after 2 million", 140, 80),
    "tdigest-doubles": ("t-digest k=100, doubles", 326, 150),
    "frequent-zipf": ("frequent 2^10, 64-bit zipf 1.1", 117, 80),
    "frequent-steep": ("frequent 2^10, 64-bit zipf 1.5", None, None),
    "countmin-longs": ("Count-Min 4x2048, compatible", 166, 110),
    "countmin-local": ("Count-Min 4x2048, local", None, 31),
    "countmin-local-hashed": ("Count-Min local, hashed before", None, 31),
    "loghistogram-doubles": ("log-histogram, doubles", None, 15),
}
# row: what it is, the reference's microseconds, our goal
MERGES = {
    "hll-merge": ("two HLL lgK 12", 5.1, 0.3),
    "kll-merge": ("two KLL k=200", 15, 5),
    "frequent-merge": ("two frequent items 2^10", 49, 15),
}


def instructions(line, count, most):
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        out = Path(folder, "callgrind.out")
        subprocess.run(
            ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"]
            + [str(PROGRAM), "run", line, str(count), str(most)],
            check=True,
        )
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))


def measure(rows, forms, few, many, count):
    """{(row, form): (instructions, nanoseconds)} per update or merge."""
    lines = [f"{row}/{form}" for row in rows for form in forms]
    if not lines:
        return {}
    timed = subprocess.run(
        [PROGRAM, "time", str(count), *lines], stdout=subprocess.PIPE, text=True, check=True
    )
    found = {}
    for text in timed.stdout.splitlines():
        figure = json.loads(text)
        line = figure["line"]
        counted = (instructions(line, many, many) - instructions(line, few, many)) / (many - few)
        found[tuple(line.split("/"))] = (counted, figure["ns"])
    return found


def number(value, width):
    return f"{'' if value is None else format(value, '.3g' if value < 10 else '.0f'):>{width}}"


def figures(chosen, quick):
    updates = [row for row in UPDATES if any(row.startswith(kind) for kind in chosen)]
    sizes = (50_000, 200_000, 400_000) if quick else (200_000, 1_000_000, 2_000_000)
    forms = ("update", "column", "floor")
    found = measure([row for row in updates if row != "kll-long"], forms, *sizes)
    if "kll-long" in updates:  # its levels become more as values come, and so does their work
        found |= measure(["kll-long"], forms, 2_000_000, 3_000_000, 4_000_000)
    for row in updates:
        what, reference, goal = UPDATES[row]
        floor = found[row, "floor"]
        for form in ("update", "column"):
            counted, ns = found[row, form]
            yield {
                "row": row, "what": what, "form": form, "instructions": round(counted, 1), "ns": round(ns, 2),
                "floor_instructions": round(floor[0], 1), "floor_ns": round(floor[1], 2),
                "reference_instructions": reference, "goal_instructions": goal,
            }  # fmt: skip
    merges = [row for row in MERGES if any(row.startswith(kind) for kind in chosen)]
    found = measure(merges, ("merge", "copy"), 50, 150, 1000 if quick else 4000)
    for row in merges:
        what, reference, goal = MERGES[row]
        counted, ns = found[row, "merge"]
        floor = found[row, "copy"]
        yield {
            "row": row, "what": what, "form": "merge", "instructions": round(counted - floor[0]),
            "us": round((ns - floor[1]) / 1000, 3), "floor_instructions": round(floor[0]),
            "floor_us": round(floor[1] / 1000, 3), "reference_us": reference, "goal_us": goal,
        }  # fmt: skip


def table(rows):
    merges = False
    print(
        f"{'per update':33}{'form':8}{'instr':>8}{'ns':>8} |{'floor instr':>12}{'ns':>7} |{'x floor':>8} |"
        f"{'reference':>10}{'goal':>6}"
    )
    for r in rows:
        unit = "us" if r["form"] == "merge" else "instructions"
        time = "us" if r["form"] == "merge" else "ns"
        if unit == "us" and not merges:
            merges = True
            print(
                f"{'per merge':33}{'':8}{'instr':>8}{'us':>8} |{'copy instr':>12}{'us':>7} |{'':8} |"
                f"{'reference':>10}{'goal':>6}"
            )
        goal = r[f"goal_{unit}"]
        held = "" if goal is None else "  held" if r[unit] <= goal else "  not held"
        times = "" if merges else f"{r['instructions'] / r['floor_instructions']:.1f}"
        print(
            f"{r['what']:33}{'' if merges else r['form']:8}{number(r['instructions'], 8)}{number(r[time], 8)} |"
            f"{number(r['floor_instructions'], 12)}{number(r['floor_' + time], 7)} |{times:>8} |"
            f"{number(r[f'reference_{unit}'], 10)}{number(goal, 6)}{held}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", default=[""])
    parser.add_argument("--json", action="store_true", help="one object a row")
    parser.add_argument("--quick", action="store_true", help="shorter runs")
    options = parser.parse_args()
    if not PROGRAM.exists():
        raise SystemExit(f"{PROGRAM} is not built: cmake --preset release && cmake --build --preset release")
    for kind in options.kinds:
        if not any(row.startswith(kind) for row in [*UPDATES, *MERGES]):
            parser.error(f"no row begins with {kind}; there are {', '.join([*UPDATES, *MERGES])}")
    rows = figures(options.kinds, options.quick)
    if options.json:
        for row in rows:
            print(json.dumps(row), flush=True)
    else:
        table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
