"""Child processes that a test cannot leave behind."""

import atexit
import os
import signal
import socket
import subprocess
import time

_alive = set()


def _reap():
    for process in list(_alive):
        process.kill()


atexit.register(_reap)


class Late(AssertionError):
    """Something did not happen in time."""


def wait_until(condition, seconds, what, every=0.05):
    """Polls until condition() is true and returns its value. what is said when it never is.

    The limit only bounds how long a failure takes; no test passes because of it.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Late(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Process:
    """A program with its output in a file, ended at the latest when Python ends."""

    def __init__(self, command, log, env=None, cwd=None, preexec=None):
        self.command = [str(part) for part in command]
        self.log = log
        self.starts = 0
        self.env = {**os.environ, **(env or {})}
        self._cwd = cwd
        self._preexec = preexec
        self._child = None

    def start(self):
        assert not self.running(), f"{self.command[0]} is running"
        self.starts += 1
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self._cwd,
                preexec_fn=self._preexec,
            )
        _alive.add(self)
        return self

    @property
    def pid(self):
        return self._child.pid

    def running(self):
        return self._child is not None and self._child.poll() is None

    def text(self):
        """What it wrote since its last start."""
        with open(self.log, "rb") as f:
            f.seek(self._log_from)
            return f.read().decode(errors="replace")

    def send_signal(self, number):
        self._child.send_signal(number)

    def wait_for(self, words, seconds=30):
        def seen():
            text = self.text()
            if words not in text and not self.running():
                raise AssertionError(
                    f"{self.command[0]} ended with {self._child.returncode} "
                    f"before {words!r}:\n{text[-3000:]}"
                )
            return words in text

        wait_until(
            seen, seconds, lambda: f"{words!r} from {self.command[0]}:\n{self.text()[-3000:]}"
        )

    def _end(self, number, seconds):
        if self.running():
            self._child.send_signal(number)
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
                _alive.discard(self)
                raise Late(
                    f"{self.command[0]} did not end within {seconds} s of a signal:\n"
                    f"{self.text()[-3000:]}"
                ) from None
        _alive.discard(self)
        return self._child.returncode if self._child else None

    def stop(self, seconds=30):
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM, seconds)

    def kill(self):
        """SIGKILL."""
        return self._end(signal.SIGKILL, 30)

    def wait(self, seconds=60):
        """The exit code, or minus the signal."""
        code = self._child.wait(seconds)
        _alive.discard(self)
        return code

    def memory(self, field="VmRSS"):
        """A line of /proc/PID/status, in bytes."""
        with open(f"/proc/{self.pid}/status") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}")


def run(*command, text="", env=None, seconds=60, cwd=None):
    """Runs to the end; returns (code, standard output, standard error)."""
    done = subprocess.run(
        [str(part) for part in command],
        input=text,
        text=True,
        capture_output=True,
        timeout=seconds,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
