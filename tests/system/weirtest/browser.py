"""A headless Chromium: what a page logs and asks for, and what axe-core thinks of it."""

import base64
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from . import places

SCREENSHOTS = places.REPOSITORY / "build" / "screenshots"


class Browser:
    """One window. Its profile lies in a folder of its own and goes with it."""

    def __init__(self, width=1280, height=900, dark=False):
        self._profile = tempfile.TemporaryDirectory(prefix="weir-chromium-")
        options = Options()
        options.binary_location = places.tool("chromium")
        for argument in (
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            "--lang=en-GB", f"--user-data-dir={self._profile.name}",
        ):  # fmt: skip
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # A driver that is named is not looked for elsewhere.
        service = Service(places.tool("chromedriver"), env={**os.environ, "TZ": "UTC"})
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(30)
        self.look(width, height, dark)

    def look(self, width, height, dark=False):
        """As a screen of this size in CSS pixels, light or dark."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = "dark" if dark else "light"
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def complaints(self):
        """What the console said, but for plain information."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] not in ("INFO", "DEBUG")]

    def hosts_asked(self):
        hosts = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = urlsplit(message["params"]["request"]["url"])
                if url.scheme not in ("data", "about", "chrome"):
                    hosts.add(url.netloc)
        return hosts

    def violations(self):
        """Of axe-core's rules, the serious and the critical ones, as lines."""
        package = importlib.util.find_spec("axe_playwright_python").submodule_search_locations[0]
        self.run((Path(package) / "axe.min.js").read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1]; axe.run(document).then((r) => done(r.violations), (e) => done(String(e)))"
        )
        assert isinstance(found, list), found
        return [
            f"{one['impact']}: {one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    def shoot(self, name):
        """The whole page, into build/screenshots."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot",
            {
                "format": "png",
                "captureBeyondViewport": True,
                "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1},
            },
        )
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.driver.quit()
        self._profile.cleanup()
