"""Where things are, and whether they are there."""

import os
import shutil
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
SYSTEM = REPOSITORY / "tests" / "system"
BIN = Path(os.environ.get("WEIR_BIN", REPOSITORY / "build" / "release" / "bin"))
WEIR = BIN / "weir"
BRIDGE = BIN / "weir-bridge"
SHARED = Path(os.environ.get("WEIR_SHARED", REPOSITORY.parent / "shared"))
BROKER_LIMITS = REPOSITORY / "board" / "mosquitto" / "weir.conf"

LONG = os.environ.get("WEIR_LONG") == "1"  # tests/system/run --long


def need_weir():
    for program in (WEIR, BRIDGE):
        if not program.exists():
            raise unittest.SkipTest(f"{program} is not built")


def tool(name):
    """The path of a program of the system; the test is skipped, with a word, where it is
    missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if not found:
        raise unittest.SkipTest(f"{name} is not installed")
    return found


def series(name):
    """A file of the Numenta Anomaly Benchmark, by CATEGORY/FILE."""
    path = SHARED / "nab" / "data" / name
    if not path.exists():
        raise unittest.SkipTest(f"no {path}")
    return path
