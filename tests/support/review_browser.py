"""A real browser at the review page: Debian's Chromium, headless; what a person sees of it, measured."""

import os
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright
from review_page import served

expect.set_options(timeout=20_000)  # a machine may be busy
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
DESKTOP, PHONE, ZOOMED = (1280, 800), (390, 844), (640, 400)
FOCUSED = """(document.activeElement.closest("body *")?.textContent ?? "").trim().replace(/\\s+/g, " ")
  || document.activeElement.name"""
LONG = "A woman with a very long scarf of wool and many rings speaks. " * 4


def executable():
    """The browser: ``TBD_BROWSER``, else the first of ``NAMES``; ``make browser`` installs one."""
    found = os.environ.get("TBD_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "no Chromium found: run `make browser`, or set TBD_BROWSER to one"
    return found


@pytest.fixture(scope="module")
def chromium():
    flags = [f"--{flag}" for flag in (*QUIET, "disable-component-update", "disable-sync")]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Opens a site as one person's browser; afterwards nothing may stand in any browser's error console."""
    contexts, servers, wrong = [], [], []

    def open_page(site, size=DESKTOP, name=None, routes=None, **kwargs):
        if site not in [known for known, _, _ in servers]:
            server = served(site.app)
            servers.append((site, server, server.__enter__()))
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, **kwargs)
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        for address, handler in (routes or {}).items():  # an open page may send its next request past a new route
            page.route(address, handler)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(next(address for known, _, address in servers if known is site))
        if name:
            page.get_by_label("Your name").fill(name)
            page.keyboard.press("Enter")
        expect(page.locator("html.js main.card")).to_be_visible()  # the script has run
        return page

    yield open_page
    for context in contexts:
        context.close()
    for _, server, _ in servers:
        server.__exit__(None, None, None)
    expected = (
        "status of 409",
        "status of 404",
        "status of 403",
        "status of 410",
        "net::ERR_FAILED",
    )  # the browser's notes of answers that tests ask for
    assert [words for words in wrong if not any(note in words for note in expected)] == []


def card(page, clip_id):
    """Wait for a card."""
    expect(page.locator("main")).to_have_attribute("data-clip", clip_id)


def status(page, words):
    expect(page.locator("#status")).to_contain_text(words)


def eventually(page, expression):
    """Wait until a JavaScript expression holds; the page's own policy forbids the browser to poll it by itself."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(25)
    pytest.fail(f"{expression} never held")


def nothing_is_cut_off(page):
    """No horizontal scroll, and no control, text or picture beyond the sides of the window."""
    beyond = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((element) => {
            if (!element.checkVisibility() || element.closest(".unseen, .jump")) return false;
            const box = element.getBoundingClientRect();
            return box.width && (box.left < -1 || box.right > document.documentElement.clientWidth + 1
              || (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "visible"
                  && getComputedStyle(element).display !== "inline" && element.clientWidth && !element.matches(".panel")));
        }).map((element) => element.outerHTML.slice(0, 120))"""
    )
    assert beyond == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert (
        page.evaluate("document.querySelector('.panel[open] > :not(summary)')?.getBoundingClientRect().top ?? 0") >= 0
    )


def contrast(page, selector):
    """WCAG contrast of an element's text against the nearest painted background."""
    return page.evaluate(
        """(selector) => {
            const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
              .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
            const element = document.querySelector(selector);
            let behind = element;
            while ((numbers(getComputedStyle(behind).backgroundColor)[3] ?? 1) === 0) behind = behind.parentElement;
            const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(numbers).map(light).sort();
            return (pair[1] + .05) / (pair[0] + .05);
        }""",
        selector,
    )
