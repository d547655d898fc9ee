#!/usr/bin/env python3
"""The ARM build of `weir run` under qemu-user, with the machine's own mosquitto: every message counts once.

    live.py arm64|armhf
"""
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
QEMU = {"arm64": "qemu-aarch64", "armhf": "qemu-arm"}
MESSAGES = 500
PATIENCE_SECONDS = 120
CONFIGURATION = """
[agent]
id = "arm"
state = "{folder}/state"
run = "{folder}/run"
[mqtt]
url = "mqtt://127.0.0.1:{port}"
[[source]]
name = "s"
topics = ["t/{{site}}"]
columns = {{ x = "float" }}
time.field = "ts"
time.unit = "ms"
[[window]]
name = "w"
from = "s"
by = ["site"]
size = "10s"
select = {{ n = "count()", u = "distinct(x)" }}
"""


def main(architecture):
    program = ROOT / "build" / f"test-{architecture}" / "bin" / "weir"
    path = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
    mosquitto, publisher = shutil.which("mosquitto", path=path), shutil.which("mosquitto_pub", path=path)
    if not program.exists() or not mosquitto or not publisher:
        print("there is no ARM build or no mosquitto here")
        return 77
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        configuration = pathlib.Path(folder, "weir.toml")
        configuration.write_text(CONFIGURATION.format(folder=folder, port=port), encoding="utf-8")
        settings = pathlib.Path(folder, "mosquitto.conf")
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n", encoding="utf-8")
        broker = subprocess.Popen([mosquitto, "-v", "-c", str(settings)], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
        subscribed = threading.Event()

        def watch():
            for line in broker.stdout:
                if "Sending SUBACK" in line:
                    subscribed.set()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        with open(pathlib.Path(folder, "log"), "w+", encoding="utf-8", errors="replace") as log:
            agent = subprocess.Popen([QEMU[architecture], "-L", str(ROOT / "build" / f"sysroot-{architecture}"), str(program),
                                      "run", str(configuration), "--print"], stdout=subprocess.PIPE, stderr=log, text=True)
            try:
                counted = follow(agent, publisher, port) if subscribed.wait(PATIENCE_SECONDS) else "no subscription"
            finally:
                agent.send_signal(signal.SIGTERM)
                try:
                    ended = agent.wait(PATIENCE_SECONDS)
                except subprocess.TimeoutExpired:
                    agent.kill()
                    ended = "not at all"
                broker.terminate()
                broker.wait()
                watcher.join()
            print(f"{architecture}: published {MESSAGES}, counted {counted}, ended with {ended}")
            if counted != MESSAGES or ended != 0:
                log.seek(0)
                print(log.read()[-4000:])
                return 1
    return 0


def follow(agent, publisher, port):
    """Publishes, and adds up what the windows say until everything is counted."""
    now = time.time_ns() // 1_000_000
    events = [{"ts": now - 120_000 + i * 100, "x": i} for i in range(MESSAGES)]
    events.append({"ts": now, "x": -1})  # its time closes the windows of those before
    lines = "".join(json.dumps(event) + "\n" for event in events)
    subprocess.run([publisher, "-h", "127.0.0.1", "-p", str(port), "-q", "1", "-t", "t/a", "-l"], input=lines, text=True,
                   check=True, timeout=PATIENCE_SECONDS)
    stop = threading.Timer(PATIENCE_SECONDS, agent.terminate)
    stop.start()
    counted = 0
    for line in agent.stdout:
        counted += json.loads(line)["values"]["n"]
        if counted >= MESSAGES:
            break
    stop.cancel()
    return counted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
