#!/usr/bin/env python3
"""`weir replay --sketches` prints the same bytes on x86-64, aarch64 and ARMv7.

The inputs hold what could tell the machines apart: sums of numbers of very different size, subnormals, halves, the
largest integers, text beyond ASCII, late events, more groups than there is room for.
"""
import hashlib
import json
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIGURATION = """
[mqtt]
url = "mqtt://localhost"

[[source]]
name            = "s"
topics          = ["t/{site}/{lane:int}"]
columns         = { x = "float", n = "int", ok = "bool", word = "string" }
time.field      = "ts"
time.unit       = "ms"
time.lateness   = "2s"
partition       = "site"
max_partitions  = 16

[[window]]
name   = "exact"
from   = "s"
by     = ["site", "lane"]
size   = "10s"
select = { c = "count()", cx = "count(x)", s = "sum(x)", sn = "sum(n)", m = "mean(x)", lo = "min(x)", hi = "max(x)", a = "first(x)", z = "last(x)", w = "last(word)" }

[[window]]
name   = "spread"
from   = "s"
where  = "x > -1.0e6 && x < 1.0e6 && word != 'w3'"
by     = ["site"]
size   = "1m"
select = { d = "stddev(x)", q = "quantile(x, 0.5)", p = "quantile(x, 0.99)", u = "distinct(word)", un = "distinct(n)", t = "top(word, 5)", share = "count(ok) / count()", mix = "mean(x) * 3.0 - sum(x) / 7.0" }

[[window]]
name       = "crowded"
from       = "s"
by         = ["word"]
size       = "1m"
max_groups = 8
select     = { c = "count()", m = "mean(x)", u = "distinct(n)" }

[[alert]]
name  = "high"
from  = "exact"
when  = "m > 50.0 && c > 3"
clear = "m < 10.0"
"""


def events(seed, count):
    """Lines of TOPIC<TAB>PAYLOAD."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(40)] + ["größe", "速度", "🚦", ""]
    now = 1_700_000_000_000
    for _ in range(count):
        now += rng.randrange(0, 60)
        late = rng.randrange(0, 8000) if rng.random() < 0.05 else rng.randrange(0, 500)
        x = rng.choice([rng.gauss(40, 30), rng.random() * 1e-300, rng.uniform(-1, 1) * 10 ** rng.randrange(-20, 18),
                        rng.randrange(-5, 6) / 2, 5e-324, 0.1, None])
        event = {"ts": now - late, "x": x, "n": rng.choice([rng.randrange(1000), rng.randrange(-2**40, 2**40)]),
                 "ok": rng.random() < 0.3, "word": rng.choice(words) if rng.random() < 0.7 else f"r{rng.randrange(5000)}"}
        if rng.random() < 0.03:
            del event[rng.choice(["x", "n", "ok", "word"])]
        yield f"t/site{rng.randrange(5)}/{rng.randrange(3)}\t{json.dumps(event, ensure_ascii=rng.random() < 0.5)}\n"


def machines(native):
    yield "x86-64", [native]
    for architecture, qemu, processor in (("arm64", "qemu-aarch64", "aarch64"), ("armhf", "qemu-arm", "ARMv7")):
        program = ROOT / "build" / f"test-{architecture}" / "bin" / "weir"
        if not program.exists():
            print(f"there is no build/test-{architecture}")
            sys.exit(77)
        yield processor, [qemu, "-L", str(ROOT / "build" / f"sysroot-{architecture}"), str(program)]


def main():
    if len(sys.argv) < 2 or not pathlib.Path(sys.argv[1]).exists():
        print("weir itself is not built")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        configuration = pathlib.Path(folder, "weir.toml")
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        for seed, count in ((1, 20000), (2, 20000), (3, 500)):
            replayed = pathlib.Path(folder, f"{seed}.ndjson")
            replayed.write_text("".join(events(seed, count)), encoding="utf-8")
            outputs = {}
            for processor, command in machines(sys.argv[1]):
                done = subprocess.run([*command, "replay", str(configuration), str(replayed), "--sketches"],
                                      capture_output=True, check=False, timeout=300)
                if done.returncode != 0:
                    print(f"seed {seed}, {processor}: ended with {done.returncode}\n{done.stderr.decode()[-2000:]}")
                    return 1
                outputs[processor] = done.stdout
                print(f"seed {seed}, {processor}: {done.stdout.count(10)} results, sha256 {hashlib.sha256(done.stdout).hexdigest()}")
            expected = outputs["x86-64"].splitlines()
            failed += len(expected) < 20  # nothing computed would be equal everywhere
            for processor, output in outputs.items():
                for number, (one, other) in enumerate(zip(expected, output.splitlines(), strict=False), 1):
                    if one != other:
                        print(f"seed {seed}, line {number}\n  x86-64: {one[:600]!r}\n  {processor}: {other[:600]!r}")
                        break
                failed += output != outputs["x86-64"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
