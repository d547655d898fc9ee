"""The page in a real Chromium: live values, alerts, one that is acknowledged, on a desk and on a phone, light and dark.

Screenshots lie in build/screenshots afterwards.
"""

import random
import threading
import time
import unittest

from selenium.webdriver.common.keys import Keys

from test_page import TOKEN, PageSuite
from weirtest import places
from weirtest.process import wait_until
from weirtest.publish import Publisher

SOURCE = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop/{lane}"]
    columns = { speed = "float", vid = "string" }
    time = { lateness = "200ms" }
    partition = "site"

    [[source]]
    name = "air"
    topics = ["city/{site}/air"]
    columns = { pm25 = "float" }
    time = { lateness = "200ms" }
    partition = "site"

    [[window]]
    name = "junction"
    from = "loops"
    by = ["site"]
    size = "2s"
    select = { vehicles = "count()", p85 = "quantile(speed, 0.85)", unique = "distinct(vid)" }

    [[window]]
    name = "dust"
    from = "air"
    by = ["site"]
    size = "2s"
    select = { pm25 = "mean(pm25)" }

    [[alert]]
    name = "congestion"
    from = "junction"
    when = "p85 < 20.0"
    clear = "p85 > 30.0"
    severity = "critical"

    [[alert]]
    name = "dusty"
    from = "dust"
    when = "pm25 > 80.0"
"""


class Traffic(threading.Thread):
    """Events of three sites until stopped. jam: sites where nothing moves."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.publisher = Publisher(port)
        self.jam = set()
        self.dust = 30
        self.ended = threading.Event()
        self.start()

    def run(self):
        dice = random.Random(7)
        number = 0
        while not self.ended.wait(0.05):
            for site in ("harbour", "north-gate", "station"):
                number += 1
                speed = dice.gauss(9 if site in self.jam else 48, 4)
                event = {"speed": round(max(speed, 0), 1), "vid": f"v{dice.randrange(400)}"}
                self.publisher.publish(f"city/{site}/loop/{dice.randrange(1, 3)}", event)
            if number % 30 == 0:
                for site in ("harbour", "station"):
                    self.publisher.publish(f"city/{site}/air", {"pm25": round(dice.gauss(self.dust, 3), 1)})

    def stop(self):
        self.ended.set()
        self.join()
        self.publisher.drain()
        self.publisher.close()


class BrowserSuite(PageSuite):
    def setUp(self):
        super().setUp()
        for name in ("chromium", "chromedriver"):
            places.tool(name)
        from weirtest.browser import Browser

        self.browser = Browser()
        self.addCleanup(self.browser.close)

    def open_page(self, body=SOURCE, **more):
        zone = self.folder / "sys" / "class" / "thermal" / "thermal_zone0"
        zone.mkdir(parents=True)
        (zone / "temp").write_text("51734\n")
        (zone / "type").write_text("cpu-thermal\n")
        self.begin_agent(body, environment={"WEIR_SYS_ROOT": str(self.folder / "sys")}, **more)
        self.traffic = Traffic(self.broker.port)
        self.addCleanup(self.traffic.stop)
        self.browser.driver.get(f"http://127.0.0.1:{self.port}/")
        self.sees("#link-text", "live")

    def sees(self, selector, words, seconds=40):
        wait_until(
            lambda: words in self.browser.text(selector),
            seconds,
            lambda: f"{words!r} in {selector}: {self.browser.text(selector)!r}; console: {self.browser.complaints()}",
        )

    def assert_clean(self):
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(self.browser.hosts_asked() - {f"127.0.0.1:{self.port}"}, set())


class Live(BrowserSuite):
    def test_values_change_and_an_alert_comes_and_goes(self):
        self.open_page()
        self.sees("#windows-body", "junction")
        wait_until(lambda: self.browser.run("return document.querySelectorAll('#windows-body canvas').length") == 2, 40, "two charts")
        self.sees("#facts", "/s")

        def results():
            return self.browser.run("return document.querySelector('#windows-body .quiet').textContent")

        before = results()
        wait_until(lambda: results() != before, 20, "new results")
        self.sees("#time-body", "north-gate")
        self.sees("#memory-body", "allowed")
        self.sees("#facts", "51.7 °C")
        self.sees("#alerts-body", "None of 2 alerts stands")
        self.traffic.jam = {"harbour"}
        self.sees("#alerts-body", "congestion")
        self.sees("#alerts-body", "site harbour")
        self.assertIn("(1)", self.browser.driver.title)
        self.traffic.jam = set()
        self.sees("#alerts-body", "None of 2 alerts stands")
        self.assert_clean()

    def test_it_says_that_the_agent_is_gone_and_goes_on_when_it_is_back(self):
        self.open_page()
        self.sees("#facts", "/s")
        self.agent.kill()
        self.sees("#lost", "The agent has said nothing for")
        self.assertEqual(self.browser.text("#link-text"), "no connection")
        self.agent.start()
        self.agent.ready()
        self.sees("#link-text", "live")
        self.assertFalse(self.browser.run("return document.getElementById('lost').offsetParent !== null"))

    def test_without_events_it_says_why(self):
        self.open_page(SOURCE.replace("city/", "elsewhere/"))
        self.sees("#incoming-body", "do the topics say what the senders publish to?")
        self.sees("#windows-body", "No result yet")
        self.sees("#time-body", "No event yet, so there is no watermark")
        self.browser.shoot("empty")


class Acknowledge(BrowserSuite):
    def test_an_alert_is_acknowledged_with_the_token_and_by_keyboard(self):
        self.open_page()
        self.traffic.jam = {"harbour"}
        self.sees("#alerts-body", "Acknowledge")
        driver = self.browser.driver
        # From the button by keys alone.
        self.browser.run("document.querySelector('#alerts-body button').focus()")
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.assertTrue(self.browser.run("return document.getElementById('token-dialog').open"))
        self.assertEqual(self.browser.run("return document.activeElement.id"), "token")
        self.assertEqual(self.browser.violations(), [])
        driver.switch_to.active_element.send_keys("a token that is wrong" + Keys.ENTER)
        self.sees("#token-wrong", "did not take this token")
        self.assertNotIn("acknowledged", self.browser.text("#alerts-body"))
        field = driver.switch_to.active_element
        self.browser.run("document.getElementById('token').value = ''; document.getElementById('token').focus()")
        field = driver.switch_to.active_element
        self.browser.shoot("acknowledge")
        field.send_keys(TOKEN + Keys.ENTER)
        self.sees("#alerts-body", "acknowledged")
        self.assertFalse(self.browser.run("return document.getElementById('token-dialog').open"))
        # What the browser says of the refusal itself is no fault of the page.
        complaints = [one for one in self.browser.complaints() if "401" not in one["message"]]
        self.assertEqual(complaints, [])

    def test_without_a_token_there_is_no_button(self):
        self.open_page(token=False)
        self.traffic.jam = {"harbour"}
        self.sees("#alerts-body", "congestion")
        self.assertEqual(self.browser.run("return document.querySelectorAll('#alerts-body button').length"), 0)


class Looks(BrowserSuite):
    def test_screenshots_light_and_dark_on_a_desk_and_on_a_phone(self):
        self.open_page()
        self.traffic.jam = {"harbour"}
        self.traffic.dust = 95
        self.sees("#alerts-body", "congestion")
        self.sees("#alerts-body", "dusty")
        time.sleep(14)  # for charts with something in them; nothing is judged by it
        self.browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        for name, width, height, dark in (
            ("desk-light", 1280, 900, False), ("desk-dark", 1280, 900, True), ("phone-light", 360, 740, False), ("phone-dark", 360, 740, True),
        ):  # fmt: skip
            with self.subTest(name):
                self.browser.look(width, height, dark)
                time.sleep(1.5)  # the next second's overview
                self.browser.shoot(name)
                self.assertLessEqual(
                    self.browser.run("return document.documentElement.scrollWidth"), width,
                    self.browser.run("return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && "
                                     "!e.closest('.table, nav')).map((e) => e.tagName + '.' + e.className).slice(0, 8)"),
                )
                self.assertEqual(self.browser.violations(), [])
        self.assert_clean()

    def test_everything_is_reached_with_the_keyboard(self):
        self.open_page()
        self.sees("#windows-body", "junction")
        wait_until(lambda: self.browser.run("return document.querySelectorAll('#windows-body canvas').length") == 2, 40, "two charts")
        reached = []
        for _ in range(40):
            self.browser.driver.switch_to.active_element.send_keys(Keys.TAB)
            reached.append(self.browser.run(
                "const e = document.activeElement; return e.tagName + ' ' + (e.getAttribute('aria-label') || e.innerText || '').slice(0, 40)"))
        text = "\n".join(reached)
        for wanted in ("A Skip to the content", "A Alerts", "A Memory", "SELECT Value of junction", "SUMMARY Latest values", "SUMMARY All ", "A /metrics"):
            self.assertIn(wanted, text)
        # The skip link leads to the content, and what has the focus shows it.
        self.browser.driver.refresh()
        self.sees("#link-text", "live")
        self.browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        outline = self.browser.run("return getComputedStyle(document.activeElement).outlineStyle")
        self.assertEqual(outline, "solid")
        self.browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.assertEqual(self.browser.run("return location.hash"), "#main")


if __name__ == "__main__":
    unittest.main()
