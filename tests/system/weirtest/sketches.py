"""Sketches by other hands: `weir sketch` as a program, datasketches-java, and streams for both."""

import json
import struct
import subprocess
import unittest

import datasketches as ds

from . import places

READER = places.SYSTEM / "datasketches" / "reader"
FREQUENT = ds.frequent_items_error_type.NO_FALSE_NEGATIVES


def weir(*words, data=b"", code=0):
    """Runs `weir sketch`; returns standard output, of bytes."""
    done = subprocess.run(
        [str(places.WEIR), "sketch", *map(str, words)],
        input=data,
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode != code:
        raise AssertionError(f"weir sketch {' '.join(map(str, words))}: {done.returncode}: {done.stderr.decode()}")
    return done.stdout if code == 0 else done.stderr


def build(kind, values, **options):
    """A sketch of values, whose type gives the option that says it."""
    values = list(values)
    words = [word for name, value in options.items() for word in (f"--{name}", value) if value is not True]
    words += [f"--{name}" for name, value in options.items() if value is True]
    return weir("build", kind, *words, data=lines(values))


def lines(values):
    return b"".join(b"%s\n" % (v.encode() if isinstance(v, str) else repr(v).encode()) for v in values)


def inspect(*files, options=()):
    """What weir says of each file."""
    return [json.loads(line) for line in weir("inspect", *options, *files).splitlines()]


def inspect_bytes(data, *options):
    return json.loads(weir("inspect", *options, "-", data=data))


def java(commands, folder):
    """What datasketches-java says to each command (see Reader.java); the test is skipped where it is
    not to be had."""
    if subprocess.run([READER, "fetch"], capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest("datasketches-java is not here and could not be fetched")
    places.tool("java")
    script = folder / "java-commands"
    script.write_text("".join("\t".join(map(str, words)) + "\n" for words in commands))
    done = subprocess.run([READER, "run", script], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise AssertionError(done.stderr[-2000:])
    said = [json.loads(line) for line in done.stdout.splitlines()]
    for words, answer in zip(commands, said, strict=True):
        if "error" in answer:
            raise AssertionError(f"datasketches-java: {words}: {answer['error']}")
    return said


def stream(form, n):
    """The input formulas of the vectors (gen_vectors.py beside them)."""
    kind, start, step = form["kind"], form.get("start", 0), form.get("step", 1)
    if kind == "longs":
        return [start + i * step for i in range(n)]
    if kind == "strings":
        return [f"{form.get('prefix', 'vid-')}{start + i * step}{form.get('suffix', '')}" for i in range(n)]
    if kind == "doubles":
        return [start + ((i * form.get("mult", 1)) % n) * step for i in range(n)]
    tail = form.get("tail", 5003)
    skewed = [((i // 2 + 1) & -(i // 2 + 1)).bit_length() - 1 if i % 2 == 0 else 1000 + i % tail for i in range(n)]
    return skewed if kind == "skew_longs" else [f"{form.get('prefix', 'vid-')}{v}" for v in skewed]


# The types that the command line calls so.
TYPE_OF = {"longs": "longs", "strings": "strings", "doubles": "doubles", "skew_longs": "longs", "skew_strings": "strings"}


def read(kind, data):
    """A sketch read by the Python library; kind as Reader.java names it."""
    if kind == "hll":
        return ds.hll_sketch.deserialize(data)
    if kind == "theta":
        return ds.compact_theta_sketch.deserialize(data)
    if kind.startswith("kll"):
        return getattr(ds, kind + "_sketch").deserialize(data)
    if kind.startswith("tdigest"):
        return getattr(ds, kind).deserialize(data)
    if kind == "frequent_strings":
        return ds.frequent_strings_sketch.deserialize(data)
    if kind == "frequent_longs":
        return ds.frequent_items_sketch.deserialize(data, ds.PyLongsSerDe())
    return ds.count_min_sketch.deserialize(data)


def rows(sketch):
    """{item: [estimate, lower, upper]} of a frequent items sketch."""
    return {str(row[0]): list(row[1:4]) for row in sketch.get_frequent_items(FREQUENT)}


def with_integer_counters(data):
    """The bytes of Python's Count-Min, which counts in doubles, as C++ and Java write them."""
    words = struct.unpack(f"<{(len(data) - 16) // 8}d", data[16:])
    return data[:16] + struct.pack(f"<{len(words)}Q", *map(int, words))
