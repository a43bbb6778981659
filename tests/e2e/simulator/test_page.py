"""The page with the handsets, in a browser."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from django_kaleyra_otp.simulator import DEFAULT_PROFILE_ID
from tests.e2e.browser import NEEDS_CHROMIUM, wait_for
from tests.e2e.simulator.sink import NUMBER, send

pytestmark = NEEDS_CHROMIUM


class Page:
    """The page as a person sees it."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.get(url)
        self.until(lambda: self.find("#live").text == "Live")

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector):
        return [found.text for found in self.browser.find_elements(By.CSS_SELECTOR, selector)]

    def until(self, condition):
        wait_for(self.browser, condition)

    def shows(self, selector, *texts):
        """Wait until just these texts stand there."""
        self.until(lambda: self.texts(selector) == list(texts))


@pytest.fixture
def page(browser, kaleyra):
    return Page(browser, kaleyra.base_url)


def test_the_code_arrives_on_a_handset_and_is_followed(page, kaleyra):
    assert page.find("#empty").is_displayed()

    send(kaleyra)

    page.shows("#handsets .number", "+91 99999 00001")
    page.shows(".bubble .code", "482913")
    page.shows(".bubble .steps li", "Accepted", "Sent", "Delivered")
    page.until(
        lambda: [text.split(" · ")[0] for text in page.texts(".calls li span:last-child")] == ["204"] * 2
    )
    assert not page.find("#empty").is_displayed()


def test_what_did_not_arrive_says_so_in_words(page, kaleyra):
    kaleyra.set_fate(NUMBER, "absent-sub", "no-callback")
    send(kaleyra)

    page.shows(".bubble .steps li", "Accepted", "Sent", "Undelivered ABSENT-SUB")
    page.shows(".bubble .chosen", "Fate: absent-sub, no-callback")


def test_a_text_is_a_text_and_never_markup(page, kaleyra):
    """R-112."""
    hostile = "<img src=x onerror=\"document.title='gone'\"> 482913"
    send(kaleyra, body=hostile, sender="KLRHXA")
    kaleyra.fire(kaleyra.messages[0], "<b>odd</b>")

    page.shows(".bubble .text", hostile)
    page.until(lambda: "<b>odd</b>" in " ".join(page.texts(".steps li")))
    assert page.browser.find_elements(By.CSS_SELECTOR, "main img, main b > b, .steps b") == []
    assert page.browser.title == "Kaleyra simulator"


def test_the_newest_handset_and_message_come_first(page, kaleyra):
    for number, code in (("+919999900002", "1111"), (NUMBER, "2222"), ("+919999900002", "3333")):
        send(kaleyra, number, body=f"Code {code}")

    page.shows("#handsets .number", "+91 99999 00002", "+91 99999 00001")
    page.shows("#handsets .phone:first-child .code", "3333", "1111")


def test_a_fate_is_chosen_on_the_page(page, kaleyra):
    page.find("#number").send_keys("+91 99999-00001")
    Select(page.find("#fate")).select_by_value("429-retry-after")
    page.find("#value").clear()
    page.find("#value").send_keys("7")
    page.find("#fate-form button").click()
    page.shows("#rules li span", "+91 99999 00001: 429-retry-after=7, the next message")

    answer = send(kaleyra)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    page.shows("#rules li span")


def test_a_status_is_fired_on_the_page(page, kaleyra):
    kaleyra.set_fate(NUMBER, "lost")
    send(kaleyra)
    page.shows(".bubble .steps li", "Accepted", "waiting")
    page.find(".bubble summary").click()
    Select(page.find(".bubble select")).select_by_value("UNDELIVERED")
    page.find(".bubble input").send_keys("MEM-EXEC")
    page.find(".bubble form button").click()

    page.shows(".bubble .steps li", "Accepted", "Undelivered MEM-EXEC")
    page.shows(".bubble .answer", "Answered 204")


def test_a_profile_that_was_switched_off_is_seen_and_switched_on_again(page, kaleyra, sink):
    kaleyra.knobs(retries=0, disable_after=1)
    sink.statuses.append(500)
    kaleyra.set_fate(NUMBER, "never-final")
    send(kaleyra)
    page.until(page.find("#off").is_displayed)

    page.find("#profiles .off button").click()

    page.until(lambda: not page.find("#off").is_displayed())
    assert kaleyra.profiles[DEFAULT_PROFILE_ID].status == 1


def test_a_reset_empties_the_page_and_nothing_was_complained_of(page, kaleyra):
    send(kaleyra)
    page.shows(".bubble .code", "482913")
    kaleyra.reset()
    page.until(page.find("#empty").is_displayed)

    assert page.texts("#handsets .phone") == []
    assert [entry["message"] for entry in page.browser.get_log("browser")] == []


def test_the_page_fits_a_narrow_screen(page, kaleyra):
    send(kaleyra, body="A very" + "long" * 60 + " word, 482913")
    page.shows(".bubble .code", "482913")
    size = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    assert page.browser.execute_script("return document.documentElement.scrollWidth") == 360
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
