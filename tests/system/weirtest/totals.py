"""Whether what Kafka holds is what a load published: every event in its window, once."""

from .kafka_reader import check_once
from .publish import Load


def wait_for_totals(test, load, reader, seconds=120):
    """Closes the load, reads every window of it, and compares."""
    load.close()
    expected = load.expected()
    reader.read_until(
        lambda results: len({r.identity() for r in results}) >= len(expected),
        seconds,
        f"{len(expected)} windows",
    )
    reader.read_to_end()
    check_once(test, reader.results)
    found = {}
    for result in reader.results:
        value = result.value
        test.assertNotIn("partial", value)
        found[value["key"]["site"], value["start"]] = tuple(
            value["values"][name] for name in ("n", "total", "first", "last")
        )
    wrong = [
        (key, expected.get(key), found.get(key))
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]
    lost = len(load.events) - sum(n for n, *_ in found.values())
    test.assertEqual(
        wrong[:5],
        [],
        f"{len(wrong)} of {len(expected)} windows differ, {lost} events missing: "
        "(window, expected, found)",
    )
    test.assertEqual(sum(n for n, *_ in found.values()), load.publisher.published - Load.SITES)
