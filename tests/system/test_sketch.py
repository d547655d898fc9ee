"""`weir sketch` against the reference libraries, PyPI datasketches (C++ beneath) and datasketches-java:
what one writes all read, with the same results; and against the vectors of ../shared/sketch-vectors."""

import bisect
import functools
import itertools
import json
import tempfile
import unittest
from pathlib import Path

import datasketches as ds

from weirtest import places, sketches
from weirtest.sketches import build, inspect, inspect_bytes, java, stream, weir

VECTORS = places.SHARED / "sketch-vectors"
RANKS = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]


class SketchSuite(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not places.WEIR.exists():
            raise unittest.SkipTest(f"{places.WEIR} is not built")
        temporary = tempfile.TemporaryDirectory(prefix="weir-sketch-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name)
        cls.numbers = itertools.count(1)

    def file(self, data):
        path = self.folder / f"{next(self.numbers)}.sk"
        path.write_bytes(data)
        return path

    def same(self, got, wanted, what="", tolerance=1e-9):
        self.assertAlmostEqual(got, wanted, delta=tolerance * max(1, abs(wanted)), msg=what)

    def same_bounds(self, said, lower, upper):
        for bound in said["bounds"]:
            sigmas = bound["sigmas"]
            for got, wanted in ((bound["lower"], lower(sigmas)), (bound["upper"], upper(sigmas))):
                self.same(got, wanted, f"{sigmas} sigmas")

    def fair_quantiles(self, values, quantiles, error):
        """{rank: value}: each value's rank among the exact values is within error of what was asked."""
        values = sorted(values)
        for rank, value in quantiles.items():
            low = bisect.bisect_left(values, value) / len(values)
            high = bisect.bisect_right(values, value) / len(values)
            self.assertLessEqual(low - error, float(rank), f"{value} at {rank}")
            self.assertGreaterEqual(high + error, float(rank), f"{value} at {rank}")


class Vectors(SketchSuite):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not (VECTORS / "vectors.json").exists():
            raise unittest.SkipTest(f"no {VECTORS}")
        cls.vectors = json.loads((VECTORS / "vectors.json").read_text())["vectors"]

    @functools.cached_property
    def streams(self):
        return {}

    def lines(self, vector):
        key = (json.dumps(vector["input"]), vector["n"])
        if key not in self.streams:
            self.streams[key] = sketches.lines(stream(vector["input"], vector["n"]))
        return self.streams[key]

    def each(self, *families):
        found = [v for v in self.vectors if v["family"] in families]
        self.assertTrue(found, families)
        return [(v, VECTORS / v["file"], sketches.TYPE_OF[v["input"]["kind"]]) for v in found]

    def test_those_of_other_kinds_are_refused_by_name(self):
        for vector, path, _ in self.each("cpc", "req_floats"):
            with self.subTest(path.name):
                name = vector["family"].split("_")[0].upper()
                self.assertIn(f"a {name} sketch".encode(), weir("inspect", path, code=1))

    def test_distinct_counts_and_bounds_are_those_of_the_reference(self):
        for vector, path, _ in self.each("hll", "hll_union", "theta", "theta_union"):
            with self.subTest(path.name):
                (said,), wanted = inspect(path), vector["stats"]
                # After unions the reference's estimator has tables that are not part of the format.
                merged = said.get("merged", False)
                self.same(said["estimate"], wanted["estimate"], "", 0.3 * said["relative_error"] if merged else 1e-9)
                if not merged:
                    self.same_bounds(said, lambda s, w=wanted: w[f"lb{s}"], lambda s, w=wanted: w[f"ub{s}"])
                for key, ours in (("num_retained", "retained"), ("theta64", "theta_long")):
                    if key in wanted:
                        self.assertEqual(int(wanted[key]), said[ours])

    def test_distinct_counters_are_rebuilt_byte_by_byte(self):
        for vector, path, kind in self.each("hll"):
            with self.subTest(path.name):
                made = weir("build", "hll", "--lgk", vector["lgk"], "--type", vector["type"][-1], f"--{kind}", data=self.lines(vector))
                self.assertEqual(made, path.read_bytes())
        for vector, path, kind in self.each("theta"):
            with self.subTest(path.name):
                made = weir("build", "theta", "--lgk", vector["lgk"], "--serial", vector["ser"], f"--{kind}", data=self.lines(vector))
                self.assertEqual(made, path.read_bytes())

    def test_unions_are_rebuilt_byte_by_byte(self):
        for vector, path, _ in self.each("hll_union", "theta_union"):
            with self.subTest(path.name):
                n, kind, lgk = vector["n"], vector["family"].split("_")[0], vector["lgk"]
                parts = [self.file(build(kind, range(at, at + n), lgk=lgk, longs=True)) for at in (0, n // 2)]
                form = ("--type", vector["type"][-1]) if kind == "hll" else ("--serial", vector["ser"])
                self.assertEqual(weir("merge", *parts, *form), path.read_bytes())

    def test_count_min_is_rebuilt_byte_by_byte_and_says_the_same_weights(self):
        for vector, path, kind in self.each("cm", "cm_u64"):
            with self.subTest(path.name):
                counters = ("--counters", "longs") if vector["family"] == "cm_u64" else ()
                shape = ("--hashes", vector["hashes"], "--buckets", vector["buckets"])
                made = weir("build", "countmin", *shape, f"--{kind}", *counters, data=self.lines(vector))
                self.assertEqual(made, path.read_bytes())
                wanted = vector["stats"]["estimates"]
                asked = [word for row in wanted for word in ("--estimate", row[0])]
                (said,) = inspect(path, options=(f"--{kind}", *asked))
                self.assertEqual([row[2] for row in wanted], [row["estimate"] for row in said.get("estimates", [])])
                self.assertEqual(vector["stats"]["total_weight"], said["total_weight"])
                if vector["n"]:
                    self.assertEqual(("longs" if counters else "doubles", "bytes"), (said["counters"], said["counters_from"]))

    def test_frequent_items_are_rebuilt_with_the_same_content(self):
        for vector, path, kind in self.each("fi_longs", "fi_strings"):
            with self.subTest(path.name):
                made = self.file(weir("build", "frequent", "--lgmap", vector["lgmap"], f"--{kind}", data=self.lines(vector)))
                theirs, ours = inspect(path, made, options=("--items", 10_000))
                for key in ("total_weight", "retained", "maximum_error", "top"):
                    self.assertEqual(theirs[key], ours[key], key)
                self.assertEqual(vector["stats"]["total_weight"], theirs["total_weight"])
                if vector["n"]:
                    self.assertEqual(kind, theirs["items"], "told from longs, or the default")
                top = sorted(([str(row["item"]), row["lower"], row["upper"]] for row in theirs["top"]), key=lambda r: (-r[1], r[0]))
                self.assertEqual(vector["stats"]["top_lb_ub"], top[:20])

    def test_quantiles_of_read_and_of_rebuilt_ones_are_within_the_bound(self):
        for vector, path, _ in self.each("kll_doubles", "kll_floats", "tdigest_double", "tdigest_float"):
            with self.subTest(path.name):
                kind, items = vector["family"].split("_")
                items = items.rstrip("s") + "s"
                made = self.file(weir("build", kind, "--k", vector["k"], f"--{items}", data=self.lines(vector)))
                values = stream(vector["input"], vector["n"])
                for said in inspect(path, made):
                    self.assertEqual(vector["n"], said["n"])
                    if not values:
                        continue
                    self.assertEqual((items, "bytes"), (said["items"], said["items_from"]))
                    self.assertEqual((min(values), max(values)), (said["min"], said["max"]))
                    for row in said["quantiles"]:
                        # The bound is for 99 % of the questions; a value in the middle of a centroid is interpolated.
                        self.fair_quantiles(values, {row["rank"]: row["value"]}, 1.5 * row["rank_error"] + 1 / len(values))


class Reference(SketchSuite):
    """Sketches of many parameters, built by weir, read by Python and Java."""

    def files(self, kind, made):
        """made: [(what, bytes)]; yields (what, bytes, weir's words, Python's sketch, Java's words)."""
        paths = [self.file(data) for _, data in made]
        said = inspect(*paths, options=("--items", 2000, *(("--longs",) if kind == "frequent_longs" else ())))
        try:
            other = java([("read", kind, path) for path in paths], self.folder)
        except unittest.SkipTest as reason:
            print(f"without Java: {reason}", flush=True)
            other = [None] * len(paths)
        for (what, data), ours, theirs in zip(made, said, other, strict=True):
            yield what, data, ours, sketches.read(kind, data), theirs

    def streams(self, ns):
        for n in ns:
            yield "longs", [i * 7 - n for i in range(n)]
            yield "doubles", [i * 0.25 - 100 for i in range(n)]
            yield "strings", [f"ключ-{i}" for i in range(n)]

    def check_distinct(self, kind, made):
        for what, _, ours, python, theirs in self.files(kind, made):
            with self.subTest(what):
                self.same(ours["estimate"], python.get_estimate())
                self.same_bounds(ours, python.get_lower_bound, python.get_upper_bound)
                if theirs:
                    self.same(theirs["estimate"], python.get_estimate(), f"Java, {what}")
                    for sigmas in (1, 2, 3):
                        self.same(theirs[f"lower{sigmas}"], python.get_lower_bound(sigmas))
                        self.same(theirs[f"upper{sigmas}"], python.get_upper_bound(sigmas))

    def test_hll(self):
        made = []
        for lgk in (4, 5, 7, 8, 10, 12, 14, 17, 21):
            for items, values in self.streams((0, 1, 7, 8, 60, 400, 4000, 20_000)):
                for bits in (4, 6, 8) if items == "longs" else (8,):
                    data = build("hll", values, lgk=lgk, type=bits, **{items: True})
                    reference = ds.hll_sketch(lgk, getattr(ds.tgt_hll_type, f"HLL_{bits}"))
                    for value in values:
                        reference.update(value)
                    self.assertEqual(reference.serialize_compact(), data, f"lgk {lgk} HLL_{bits} {items} {len(values)}")
                    made.append((f"lgk {lgk} HLL_{bits} {items} {len(values)}", data))
        self.check_distinct("hll", made)

    def test_theta(self):
        made = []
        for lgk in (5, 6, 9, 12, 16):
            for items, values in self.streams((0, 1, 2, 50, 5000, 40_000)):
                reference = ds.update_theta_sketch(lgk)
                for value in values:
                    reference.update(value)
                for serial in (3, 4):
                    data = build("theta", values, lgk=lgk, serial=serial, **{items: True})
                    self.assertEqual(reference.compact(True).serialize(serial == 4), data, f"lgk {lgk} {items} {len(values)}")
                    made.append((f"lgk {lgk} serial {serial} {items} {len(values)}", data))
        self.check_distinct("theta", made)

    def test_kll(self):
        for items in ("doubles", "floats"):
            made, inputs = [], {}
            for k, n in itertools.product((8, 20, 200, 1500), (0, 1, 2, 100, 3000, 60_000)):
                values = [((i * 7919) % n) * 0.5 - 17 for i in range(n)]
                made.append((f"k {k} n {n}", build("kll", values, k=k, seed=k + n, **{items: True})))
                inputs[made[-1][0]] = values
            for what, _, ours, python, theirs in self.files(f"kll_{items}", made):
                with self.subTest(what):
                    values = inputs[what]
                    self.assertEqual((len(values), ours["k"]), (python.n, python.k))
                    self.assertEqual(python.num_retained, ours["retained"])
                    if not values:
                        continue
                    self.assertEqual((items, "bytes"), (ours["items"], ours["items_from"]))
                    quantiles = {row["rank"]: row["value"] for row in ours["quantiles"]}
                    # At the ends Weir says minimum and maximum, which the reference keeps apart.
                    inner = {rank: value for rank, value in quantiles.items() if 0 < rank < 1}
                    self.assertEqual({rank: python.get_quantile(rank, True) for rank in inner}, inner)
                    self.fair_quantiles(values, quantiles, 1.5 * python.normalized_rank_error(False) + 1 / len(values))
                    self.assertEqual((python.get_min_value(), python.get_max_value()), (ours["min"], ours["max"]))
                    if theirs:
                        self.assertEqual((len(values), ours["retained"]), (theirs["n"], theirs["retained"]))
                        for rank, value in inner.items():
                            java_value = theirs["quantiles"][str(rank)]
                            if java_value not in (theirs["min"], theirs["max"]):  # which Java puts for its ends
                                self.assertEqual(value, java_value)

    def test_tdigest(self):
        for items, kind in (("doubles", "tdigest_double"), ("floats", "tdigest_float")):
            made, inputs = [], {}
            for k, n in itertools.product((10, 50, 100, 500), (0, 1, 2, 100, 3000, 60_000)):
                values = [((i * 7919) % n) * 0.5 - 17 for i in range(n)]
                made.append((f"k {k} n {n}", build("tdigest", values, k=k, **{items: True})))
                inputs[made[-1][0]] = values
            for what, data, ours, python, theirs in self.files(kind, made):
                with self.subTest(what):
                    values = inputs[what]
                    self.assertEqual((len(values), ours["k"]), (python.get_total_weight(), python.k))
                    if items == "doubles":
                        reference = ds.tdigest_double(ours["k"])
                        for value in values:
                            reference.update(value)
                        self.assertEqual(reference.serialize(), data, what)
                    if not values:
                        continue
                    self.assertEqual((python.get_min_value(), python.get_max_value()), (ours["min"], ours["max"]))
                    # Between centroids 5.2.0 and Java swap the weights of their interpolation: sketches/README.md.
                    for row in ours["quantiles"]:
                        off = {row["rank"]: python.get_quantile(row["rank"])}
                        self.fair_quantiles(values, {row["rank"]: row["value"]}, row["rank_error"] + 1 / len(values))
                        self.fair_quantiles(values, off, 2 * row["rank_error"] + 1 / len(values))
                    if theirs:
                        self.assertEqual(len(values), theirs["n"])
                        for rank in RANKS:
                            self.same(theirs["quantiles"][str(float(rank))], python.get_quantile(rank), what, 1e-6 if items == "floats" else 1e-9)

    def test_frequent_items(self):
        for items, kind in (("strings", "frequent_strings"), ("longs", "frequent_longs")):
            made, inputs = [], {}
            for lgmap, n in itertools.product((3, 6, 10, 13), (0, 1, 100, 5000, 50_000)):
                values = stream({"kind": f"skew_{items}", "prefix": "имя-" * (lgmap * 3), "tail": 4001}, n)
                made.append((f"lgmap {lgmap} n {n}", build("frequent", values, lgmap=lgmap, **{items: True})))
                inputs[made[-1][0]] = lgmap, values
            for what, _, ours, python, theirs in self.files(kind, made):
                with self.subTest(what):
                    lgmap, values = inputs[what]
                    top = {str(row["item"]): [row["estimate"], row["lower"], row["upper"]] for row in ours["top"]}
                    known = {item: [row[0], row[1], row[2]] for item, row in sketches.rows(python).items()}
                    self.assertEqual(ours["retained"], len(known))
                    self.assertEqual(top, {item: known[item] for item in top})
                    self.assertEqual(len(values), python.total_weight)
                    if lgmap <= 10:  # above, a purge looks at a sample of its own
                        reference = ds.frequent_strings_sketch(lgmap) if items == "strings" else ds.frequent_items_sketch(lgmap)
                        for value in values:
                            reference.update(value)
                        self.assertEqual(sketches.rows(reference), known)
                    if theirs:
                        self.assertEqual((len(values), len(known)), (theirs["total_weight"], theirs["retained"]))
                        self.assertEqual(known, theirs["items"])

    def test_count_min(self):
        for (hashes, buckets), seed in itertools.product(((1, 3), (3, 37), (4, 2048), (7, 1000)), (9001, 12345)):
            for items, values in self.streams((0, 1, 300)):
                if items == "doubles":  # not taken by Python's
                    continue
                with self.subTest(hashes=hashes, buckets=buckets, seed=seed, items=items, n=len(values)):
                    reference = ds.count_min_sketch(hashes, buckets, seed)
                    for value in values:
                        reference.update(value)
                    shape = {"hashes": hashes, "buckets": buckets, "seed": seed, items: True}
                    data = build("countmin", values, **shape)
                    self.assertEqual(reference.serialize(), data)
                    integers = build("countmin", values, counters="longs", **shape)
                    self.assertEqual(sketches.with_integer_counters(data) if values else data, integers)
                    for each in (data, integers):
                        asked = [word for value in values[:5] for word in (f"--estimate={value}",)]
                        said = inspect_bytes(each, "--seed", seed, f"--{items}", *asked)
                        self.assertEqual([reference.get_estimate(value) for value in values[:5]],
                                         [row["estimate"] for row in said.get("estimates", [])])


class Unions(SketchSuite):
    """Sketches written by Weir, Python and Java, each of a third of the items and some of the next
    one's; merged by each of the three."""

    PARTS = ((0, 3000), (2000, 6000), (5000, 9000))

    def java_and_all(self, kind, parameter, items, python, make):
        """Paths of the three, and what Java says of its union of them."""
        ours = self.file(make(*self.PARTS[0]))
        theirs = self.file(python)
        built, union = self.folder / f"java-{kind}", self.folder / f"java-union-{kind}"
        said = java([
            ("build", kind, parameter, built, items, *self.PARTS[2]),
            ("merge", kind, parameter, union, ours, theirs, built),
        ], self.folder)
        return [ours, theirs, built], said[1], union

    def test_hll_and_theta(self):
        for lgk in (10, 12, 14):
            reference = ds.hll_sketch(lgk, ds.tgt_hll_type.HLL_6)
            for i in range(*self.PARTS[1]):
                reference.update(i)
            paths, said, union = self.java_and_all(
                "hll", lgk, "longs", reference.serialize_compact(), lambda a, b: build("hll", range(a, b), lgk=lgk, longs=True))
            merged = weir("merge", *paths, "--type", 8)
            union_of = ds.hll_union(lgk)
            for path in paths:
                union_of.update(sketches.read("hll", path.read_bytes()))
            result = union_of.get_result(ds.tgt_hll_type.HLL_8)
            self.assertEqual(result.serialize_compact(), merged, "to the byte what Python makes of them")
            self.same(said["estimate"], result.get_estimate(), "Java's union")
            self.same(sketches.read("hll", union.read_bytes()).get_estimate(), result.get_estimate())
            ours = inspect_bytes(merged)
            self.same(ours["estimate"], result.get_estimate(), "", 0.3 * ours["relative_error"])

            reference = ds.update_theta_sketch(lgk)
            for i in range(*self.PARTS[1]):
                reference.update(i)
            paths, said, union = self.java_and_all(
                "theta", lgk, "longs", reference.compact().serialize(), lambda a, b: build("theta", range(a, b), lgk=lgk, longs=True))
            merged = weir("merge", *paths, "--lgk", lgk)
            union_of = ds.theta_union(lgk)
            for path in paths:
                union_of.update(sketches.read("theta", path.read_bytes()))
            self.assertEqual(union_of.get_result(True).serialize(), merged)
            ours = inspect_bytes(merged)
            self.assertEqual((ours["retained"], ours["theta_long"]), (said["retained"], said["theta"]))
            self.same(ours["estimate"], said["estimate"])
            self.assertEqual(inspect(union)[0]["estimate"], ours["estimate"])

    def test_hll_of_different_sizes_fold_to_the_smallest(self):
        paths, union_of = [], ds.hll_union(14)
        for lgk, n in ((14, 30_000), (11, 20_000), (12, 100)):
            paths.append(self.file(build("hll", range(lgk, lgk + n), lgk=lgk, longs=True)))
            union_of.update(sketches.read("hll", paths[-1].read_bytes()))
        merged = weir("merge", *paths)
        self.assertEqual(union_of.get_result(ds.tgt_hll_type.HLL_8).serialize_compact(), merged)
        self.assertEqual(11, inspect_bytes(merged)["lg_k"])

    def test_kll_and_tdigest(self):
        values = [i * 0.5 for part in self.PARTS for i in range(*part)]
        parts = [[i * 0.5 for i in range(*part)] for part in self.PARTS]
        for kind, k, option in (("kll_doubles", 200, "doubles"), ("kll_floats", 200, "floats"), ("tdigest_double", 100, "doubles")):
            reference = ds.tdigest_double(k) if kind.startswith("t") else getattr(ds, kind + "_sketch")(k)
            for value in parts[1]:
                reference.update(value)
            name = kind.split("_", maxsplit=1)[0]
            make = lambda a, b, name=name, option=option, k=k: build(name, [i * 0.5 for i in range(a, b)], k=k, **{option: True})
            paths, said, union = self.java_and_all(kind, k, "doubles", reference.serialize(), make)
            merged = self.file(weir("merge", *paths))
            python = sketches.read(kind, paths[0].read_bytes())
            for path in paths[1:]:
                python.merge(sketches.read(kind, path.read_bytes()))
            by_python = self.file(python.serialize())
            for ours in inspect(merged, union, by_python):
                self.assertEqual((len(values), min(values), max(values), option), (ours["n"], ours["min"], ours["max"], ours["items"]))
                for row in ours["quantiles"]:
                    self.fair_quantiles(values, {row["rank"]: row["value"]}, 1.5 * row["rank_error"] + 1e-3)
            self.assertEqual(len(values), said["n"])
            again = java([("read", kind, merged)], self.folder)[0]
            self.assertEqual((len(values), min(values), max(values)), (again["n"], again["min"], again["max"]))

    def test_frequent_items(self):
        # Nothing is purged: exact in all hands. The map is told by its bytes, and kept.
        reference = ds.frequent_strings_sketch(14)
        for i in range(*self.PARTS[1]):
            reference.update(f"vid-{i}")
        paths, said, union = self.java_and_all(
            "frequent_strings", 14, "strings", reference.serialize(),
            lambda a, b: build("frequent", [f"vid-{i}" for i in range(a, b)], lgmap=14, strings=True))
        merged = weir("merge", *paths)
        known = sketches.rows(sketches.read("frequent_strings", merged))
        self.assertEqual(9000, len(known))
        self.assertEqual(2, known["vid-2500"][0])
        self.assertEqual(known, said["items"])
        self.assertEqual(known, sketches.rows(sketches.read("frequent_strings", union.read_bytes())))
        self.assertEqual(14, inspect_bytes(merged)["lg_map"])

    def test_frequent_items_that_are_purged_keep_their_bounds(self):
        streams = [stream({"kind": "skew_longs", "tail": tail}, 20_000) for tail in (3001, 4001)]
        reference = ds.frequent_items_sketch(6)
        for value in streams[1]:
            reference.update(value)
        paths = [self.file(build("frequent", streams[0], lgmap=6, longs=True)), self.file(reference.serialize(ds.PyLongsSerDe()))]
        (said,) = inspect(self.file(weir("merge", *paths)))
        self.assertEqual(40_000, said["total_weight"])
        self.assertLessEqual(said["maximum_error"], 3.5 / 64 * 40_000)
        every = streams[0] + streams[1]
        for row in said["top"]:
            self.assertLessEqual(row["lower"], every.count(row["item"]))
            self.assertGreaterEqual(row["upper"], every.count(row["item"]))

    def test_count_min(self):
        reference, every = ds.count_min_sketch(5, 101), ds.count_min_sketch(5, 101)
        for i in range(500):
            reference.update(i)
            every.update(i)
        for i in range(300, 900):
            every.update(i)
        ours = build("countmin", range(300, 900), hashes=5, buckets=101, longs=True)
        self.assertEqual(every.serialize(), weir("merge", self.file(ours), self.file(reference.serialize())))
        reference.merge(sketches.read("cm", ours))
        self.assertEqual(every.serialize(), reference.serialize(), "merged by Python")


class CommandLine(SketchSuite):
    def test_a_million_lines_in_any_form(self):
        data = sketches.lines(range(1_000_000))
        made = weir("build", "hll", "--longs", data=data)
        self.assertEqual(made, weir("build", "hll", "--longs", data=data[:-1]), "the last line may end without LF")
        self.assertEqual(made, weir("build", "hll", "--longs", data=data.replace(b"\n", b"\r\n")))

    def test_a_wrong_line_is_named_and_nothing_is_written(self):
        for kind, option, wrong in (
            ("hll", "--longs", "1.5"), ("theta", "--longs", "9223372036854775808"), ("frequent", "--longs", ""),
            ("kll", "--doubles", "fast"), ("tdigest", "--floats", "1e39"), ("kll", "--doubles", "1e999"),
        ):
            text = weir("build", kind, option, data=f"1\n2\n{wrong}\n4\n".encode(), code=1).decode()
            self.assertIn("line 3: expected ", text)
            self.assertIn(f"'{wrong}'" if wrong else "nothing", text)

    def test_a_pipeline_needs_no_file(self):
        parts = weir("build", "kll", data=sketches.lines(range(1, 102)))
        said = inspect_bytes(weir("merge", "-", data=parts), "--quantile", "0.501", "--rank", "25")
        self.assertEqual((101, 1, 101), (said["n"], said["min"], said["max"]))
        self.assertIn({"value": 25, "rank": 25 / 101, "rank_error": 0}, said["ranks"])


if __name__ == "__main__":
    unittest.main()
