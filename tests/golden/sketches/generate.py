#!/usr/bin/env python3
"""Writes the golden sketches with the reference library. usage: generate.py FOLDER; needs datasketches 5.2.0."""
import os
import sys

import datasketches as ds


def skew(i):
    return ((i // 2 + 1) & -(i // 2 + 1)).bit_length() - 1 if i % 2 == 0 else 1000 + i % 5003


def hll(lgk, typ, items):
    s = ds.hll_sketch(lgk, getattr(ds.tgt_hll_type, typ))
    for x in items:
        s.update(x)
    return s


def main(folder):
    def write(name, data):
        with open(os.path.join(folder, name + ".sk"), "wb") as f:
            f.write(data)

    for lgk, typ, counts in ((8, "HLL_4", (100, 10000)), (8, "HLL_8", (24, 25)), (10, "HLL_8", (0, 7, 96, 97, 10000)),
                             (10, "HLL_4", (10000,)), (10, "HLL_6", (10000,)), (4, "HLL_8", (7, 8, 9)), (11, "HLL_4", (1000000,))):
        for n in counts:
            write(f"hll_lgk{lgk}_type{typ.lower().replace('_', '')}_longs_n{n}", hll(lgk, typ, range(n)).serialize_compact())
    write("hll_lgk10_typehll8_strings_n500", hll(10, "HLL_8", (f"vid-{i}" for i in range(500))).serialize_compact())
    write("hll_lgk10_typehll8_doubles_n500", hll(10, "HLL_8", (i / 2 for i in range(500))).serialize_compact())
    for n in (50, 100, 10000):
        u = ds.hll_union(10)
        for start in (0, n // 2):
            u.update(hll(10, "HLL_8", range(start, start + n)))
        write(f"hll_union_lgk10_typehll8_longs_n{n}", u.get_result(ds.tgt_hll_type.HLL_8).serialize_compact())
    for kind, cls in (("doubles", ds.kll_doubles_sketch), ("floats", ds.kll_floats_sketch)):
        for n in (0, 1, 7, 100, 10000):
            s = cls(50)
            for i in range(n):
                s.update(i * 611953 % n / 2)
            write(f"kll_{kind}_k50_doublesperm_n{n}", s.serialize())
    for n in (0, 1, 7, 100, 10000):
        strings, longs = ds.frequent_strings_sketch(6), ds.frequent_items_sketch(6)
        for i in range(n):
            strings.update(f"vid-{skew(i)}")
            longs.update(skew(i))
        write(f"fi_strings_lgmap6_skew_strings_n{n}", strings.serialize())
        write(f"fi_longs_lgmap6_skew_longs_n{n}", longs.serialize(ds.PyLongsSerDe()))
    for lgk, counts in ((5, (0, 1, 2, 60, 61, 1000)), (8, (480, 481, 100000))):
        for n in counts:
            s = ds.update_theta_sketch(lgk)
            for i in range(n):
                s.update(i)
            for serial in (3, 4):
                write(f"theta_lgk{lgk}_ser{serial}_longs_n{n}", s.compact(True).serialize(serial == 4))
    for hashes, buckets in ((3, 32), (5, 37)):
        for n in (0, 1, 10000):
            longs, strings = ds.count_min_sketch(hashes, buckets), ds.count_min_sketch(hashes, buckets)
            for i in range(n):
                longs.update(skew(i))
                strings.update(f"vid-{skew(i)}")
            write(f"cm_hashes{hashes}_buckets{buckets}_skew_longs_n{n}", longs.serialize())
            write(f"cm_hashes{hashes}_buckets{buckets}_skew_strings_n{n}", strings.serialize())
    for kind, cls in (("double", ds.tdigest_double), ("float", ds.tdigest_float)):
        for k, counts in ((10, (0, 1, 2, 199, 200, 201, 10000)), (50, (100000,))):
            for n in counts:
                s = cls(k)
                for i in range(n):
                    s.update(i * 611953 % n / 2)
                write(f"tdigest_{kind}_k{k}_doublesperm_n{n}", s.serialize())
    for n in (10, 30, 5000):
        u = ds.theta_union(5)
        for start in (0, n // 2):
            s = ds.update_theta_sketch(5)
            for i in range(start, start + n):
                s.update(i)
            u.update(s.compact(True))
        write(f"theta_union_lgk5_ser3_longs_n{n}", u.get_result(True).serialize(False))


if __name__ == "__main__":
    main(sys.argv[1])
