#!/usr/bin/env python3
"""All kinds of sketches give the same bytes and answers on x86-64, aarch64 and ARMv7 after the same operations.

    tests/arm/sketch_bytes.py PROGRAM      PROGRAM: sketch_bytes of this machine's build
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def lines_of(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=500)
    if done.returncode != 0:
        sys.exit(f"{command[-1]} ended with {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout.splitlines()


def main():
    expected = lines_of([sys.argv[1]])
    if len({line.rpartition(" ")[2] for line in expected}) != len(expected) or len(expected) < 100:
        sys.exit("different sequences gave the same bytes, or there were few: nothing was compared")
    failed = 0
    for architecture, qemu in (("arm64", "qemu-aarch64"), ("armhf", "qemu-arm")):
        program = ROOT / "build" / f"test-{architecture}" / "tests" / "sketch_bytes"
        if not program.exists():
            print(f"there is no {program}")
            return 77
        found = lines_of([qemu, "-L", ROOT / "build" / f"sysroot-{architecture}", program])
        differ = [(one, other) for one, other in zip(expected, found, strict=False) if one != other]
        failed += len(differ) + abs(len(expected) - len(found))
        print(f"{architecture}: {len(found)} sequences, {len(differ)} differ")
        for one, other in differ[:20]:
            print(f"  x86-64: {one}\n  {architecture}: {other}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
