"""Faults inside a real program: the library of tests/fault/inject.cc, preloaded, and the file
through which it is told what fails."""

import mmap
import struct
import time
import unittest

from . import places
from .process import wait_until

FOR_EVER = (1 << 64) - 1
READ, WRITE, SYNC, TRUNCATE, OPEN, RENAME, MAP, REMOVE = (1 << bit for bit in range(8))
ALL = 255

_PLAN = struct.Struct("<4Q")  # from, count, seen, failed
_ALLOCATIONS, _THREAD, _FILES, _PATH, _HOW, _SIZE = 0, 32, 48, 80, 336, 352


class Injector:
    """One program's faults. env() is for its start; the rest works while it runs."""

    def __init__(self, file):
        self.library = places.BIN.parent / "tests" / "libweir_inject.so"
        if not self.library.exists():
            raise unittest.SkipTest(f"{self.library} is not built")
        self._file = file
        file.write_bytes(bytes(_SIZE))
        with open(file, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), _SIZE)

    def env(self):
        return {"LD_PRELOAD": str(self.library), "WEIR_INJECT": str(self._file)}

    def close(self):
        self._map.close()

    def fail_allocations(self, first, count=1, thread=""):
        """The first-th from now on, and count - 1 more; with thread, only those on threads of
        that name."""
        _PLAN.pack_into(self._map, _ALLOCATIONS, 0, 0, 0, 0)
        self._map[_THREAD:_FILES] = thread.encode()[:15].ljust(16, b"\0")
        _PLAN.pack_into(self._map, _ALLOCATIONS, first, count, 0, 0)

    def fail_files(self, path, kinds, first, count=1, error=5, short=False, delay_ms=0):
        """Calls of these kinds on files whose path contains `path`. delay_ms: they do not fail but
        take that long."""
        _PLAN.pack_into(self._map, _FILES, 0, 0, 0, 0)
        self._map[_PATH:_HOW] = str(path).encode().ljust(_HOW - _PATH, b"\0")
        struct.pack_into("<IiII", self._map, _HOW, kinds, error, short, delay_ms)
        _PLAN.pack_into(self._map, _FILES, first, count, 0, 0)

    def heal(self):
        for plan in (_ALLOCATIONS, _FILES):
            struct.pack_into("<Q", self._map, plan, 0)

    def start_under_fault(self, agent, case):
        """Starts the agent until it runs or ends; then it is killed. Whether it ran, and what it
        wrote."""
        agent.start()
        wait_until(
            lambda: not agent.running() or "is running" in agent.text(),
            60,
            lambda: f"{case}: it starts or ends:\n{agent.text()[-3000:]}",
            every=0.005,
        )
        if agent.running():
            time.sleep(0.1)  # its threads are connecting now, still under the fault
        running = agent.running()
        self.heal()
        if running:
            agent.kill()
        return running, agent.text()

    def allocations(self):
        """(seen, failed) since they were last set to fail."""
        return _PLAN.unpack_from(self._map, _ALLOCATIONS)[2:]

    def files(self):
        return _PLAN.unpack_from(self._map, _FILES)[2:]
