#!/usr/bin/env python3
"""The rules of the tree: who may include and link whom, what a header begins with, what is not committed.

The table is the one of agent/ARCHITECTURE.md. A file belongs to the longest folder in it that is a prefix of its path.
"""
import pathlib
import re
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# folder: (folders it may include, third parties it may include)
LAYERS = {
    "agent/base": ([], []),
    "sketches": (["agent/base"], []),
    "windows": (["agent/base", "sketches"], ["re2"]),
    # OpenSSL is beneath Paho; `check --connect` looks at a broker's certificate with it.
    "drivers": (["agent/base"], ["paho", "openssl", "simdjson", "nanopb", "cbor", "modbus", "curl", "gpiod"]),
    "uplink": (["agent/base"], ["sqlite", "nanopb", "mbedtls", "zstd"]),
    "uplink/bridge": (["agent/base", "uplink"],
                      ["nanopb", "mbedtls", "zstd", "rdkafka", "microhttpd", "curl", "tomlplusplus"]),
    "agent/page": (["agent/base"], ["microhttpd"]),
    "agent": (["agent/base", "sketches", "windows", "drivers", "uplink", "agent/page"],
              ["tomlplusplus", "systemd", "date"]),
}
TARGETS = {
    "weir_page": "agent/page",
    "weir_base": "agent/base", "weir_sketches": "sketches", "weir_windows": "windows", "weir_drivers": "drivers",
    "weir_socket_gate": "drivers", "weir_uplink": "uplink", "weir_bridge_lib": "uplink/bridge", "weir_agent": "agent",
    "weir_exec_lib": "drivers", "weir-exec": "drivers", "weir": "agent", "weir-bridge": "uplink/bridge",
}
THIRD_PARTIES = {
    "paho": r"mqtt/|MQTT\w*\.h", "openssl": r"openssl/", "simdjson": r"simdjson", "nanopb": r"pb(_\w+)?\.h", "cbor": r"cbor",
    "modbus": r"modbus", "curl": r"curl/", "gpiod": r"gpiod", "re2": r"re2/", "sqlite": r"sqlite3",
    "mbedtls": r"mbedtls/|psa/", "zstd": r"zstd|zdict", "rdkafka": r"librdkafka/", "microhttpd": r"microhttpd",
    "tomlplusplus": r"toml\+\+/", "systemd": r"systemd/", "date": r"date/",
}
STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib
cstring ctime cwchar deque exception execution filesystem format forward_list fstream functional future
initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource
mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex
source_location span sstream stack stdexcept stop_token streambuf string string_view syncstream system_error thread
tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
""".split())
SYSTEM = re.compile(r"(sys|netinet|arpa|net|linux|asm)/[\w/]+\.h|"
                    r"(unistd|fcntl|poll|signal|dirent|dlfcn|netdb|pthread|sched|errno|limits|stdlib|stdio|string|time|"
                    r"malloc|nmmintrin|immintrin|arm_acle|arm_neon|spawn|termios|grp|pwd|glob|syslog|link|features)\.h")
# What computes has no clock, thread, file or socket.
PURE = ["sketches", "windows"]
IMPURE = re.compile(r"<(thread|mutex|shared_mutex|condition_variable|future|atomic|stop_token|semaphore|latch|barrier|"
                    r"chrono|ctime|filesystem|fstream|iostream|cstdio|random|stdexcept|[a-z]+\.h|[a-z]+/[\w/.]+)>|"
                    r'"agent/base/(clock|entropy|files|socket|log)\.h"')
INTRINSICS = re.compile(r"<(nmmintrin|immintrin|arm_acle|arm_neon)\.h>")

TOP_LEVEL = {"CMakeLists.txt", "agent", "drivers", "windows", "sketches", "uplink", "toolchains", "board", "tests",
             "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "CMakePresets.json"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])', re.MULTILINE)


def committed():
    """Paths of the committed files; of all of them where there is no git."""
    try:
        listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                  if not re.match(r"(build|\.git|\.cache)(/|$)", str(path.relative_to(ROOT)))]
    return sorted(path for path in listed if path and (ROOT / path).is_file())


def folder_of(path):
    fitting = [folder for folder in LAYERS if path.startswith(folder + "/")]
    return max(fitting, key=len) if fitting else None


def text_of(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


FILES = committed()
SOURCES = [path for path in FILES if folder_of(path) and path.endswith((".h", ".cc", ".c", ".in"))]


class Includes(unittest.TestCase):
    def includes(self):
        for path in SOURCES:
            for included in INCLUDE.findall(text_of(path)):
                yield path, included

    def test_folders_include_only_those_below_them(self):
        for path, included in self.includes():
            if included.startswith("<"):
                continue
            name, folder = included[1:-1], folder_of(path)
            with self.subTest(path=path, included=name):
                if name.endswith(".pb.h"):  # made by nanopb, beside the .proto
                    self.assertIn("nanopb", LAYERS[folder][1])
                    continue
                self.assertIn(name, FILES, "included from the root, and there")
                self.assertIn(folder_of(name), LAYERS[folder][0] + [folder])

    def test_third_parties_are_met_only_where_they_live(self):
        for path, included in self.includes():
            if not included.startswith("<"):
                continue
            name = included[1:-1]
            with self.subTest(path=path, included=name):
                if name in STANDARD or SYSTEM.fullmatch(name):
                    continue
                known = [party for party, pattern in THIRD_PARTIES.items() if re.match(pattern, name)]
                self.assertTrue(known, "a header of nobody in the table")
                self.assertIn(known[0], LAYERS[folder_of(path)][1])

    def test_what_computes_has_no_clock_thread_file_or_socket(self):
        for path, included in self.includes():
            if folder_of(path) in PURE and not INTRINSICS.fullmatch(included):
                with self.subTest(path=path, included=included):
                    self.assertNotRegex(included, IMPURE)

    def test_test_headers_stay_in_tests(self):
        for path, included in self.includes():
            self.assertNotRegex(included, r'^["<](tests/|CppUTest)', path)


class Links(unittest.TestCase):
    def test_link_lines_are_the_table(self):
        for path in (path for path in FILES if path.endswith("CMakeLists.txt") and folder_of(path)):
            text = re.sub(r"#.*", "", text_of(path))
            calls = re.findall(r"(?:weir_library|target_link_libraries)\(\s*(\S+)([^)]*)\)", text)
            for target, arguments in calls:
                if target not in TARGETS:
                    continue
                folders, parties = LAYERS[TARGETS[target]]
                for linked in re.findall(r"\bweir_\w+|weir::\w+", arguments):
                    with self.subTest(path=path, target=target, linked=linked):
                        if linked.startswith("weir::"):
                            self.assertIn(linked[6:], parties)
                        elif linked in TARGETS:
                            self.assertIn(TARGETS[linked], folders + [TARGETS[target]])


class Tree(unittest.TestCase):
    def test_top_level_is_the_agreed_one(self):
        names = {path.split("/")[0] for path in FILES}
        self.assertEqual(set(), {name for name in names if not name.startswith(".")} - TOP_LEVEL)

    def test_folders_have_a_readme(self):
        for folder in LAYERS:
            if any(path.startswith(folder + "/") for path in FILES):
                self.assertIn(folder + "/README.md", FILES)
        for folder in ("toolchains", "board", "tests"):
            self.assertIn(folder + "/README.md", FILES)

    def test_sources_lie_beside_headers_and_have_plain_names(self):
        for path in SOURCES:
            with self.subTest(path=path):
                self.assertRegex(pathlib.PurePath(path).name, r"^[a-z0-9_]+\.(h|cc|c|cc\.in)$")


class Contracts(unittest.TestCase):
    def test_headers_begin_with_their_contract(self):
        for path in SOURCES:
            if not path.endswith(".h"):
                continue
            with self.subTest(path=path):
                before, guard, _ = text_of(path).partition("#pragma once")
                self.assertTrue(guard, "has #pragma once")
                lines = before.strip().splitlines()
                self.assertTrue(lines and all(line.startswith("//") for line in lines), "a comment, and nothing else")
                for word in ("memory", "threads", "errors"):
                    self.assertIn(word, before.lower(), "what it says of memory, threads and errors")

    def test_nothing_is_left_for_later(self):
        marks = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b")
        for path in FILES:
            if path.endswith((".h", ".cc", ".py", ".txt", ".cmake", ".proto", ".sh")) or "." not in path:
                with self.subTest(path=path):
                    self.assertNotRegex(text_of(path), marks)


class Committed(unittest.TestCase):
    def test_no_package_registry_is_named(self):
        hosts = ["py" + "pi.org", "python" + "hosted", "maven." + "org/maven2", "repo1." + "maven", "npm" + "js.", "crates" + ".io",
                 "proxy.golang" + ".org", "deb.debian" + ".org", "archive.raspberry" + "pi"]
        for path in FILES:
            text = text_of(path)
            for host in hosts:
                with self.subTest(path=path, host=host):
                    self.assertNotIn(host, text)

    def test_no_path_of_a_developers_machine_is_named(self):
        paths = re.compile(r"(?<![\w./$}-])/(work/(main|shared)|root/|home/[a-z]+/|tmp/weir/)")
        for path in FILES:
            with self.subTest(path=path):
                self.assertNotRegex(text_of(path), paths)

    def test_nothing_built_is_committed(self):
        for path in FILES:
            with self.subTest(path=path):
                self.assertNotRegex(path, r"\.(o|a|so|pyc|class|jar|deb)$|(^|/)__pycache__/|^build/")
                self.assertLess((ROOT / path).stat().st_size, 2 << 20, "bytes of a committed file")


if __name__ == "__main__":
    unittest.main()
