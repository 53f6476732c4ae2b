"""A page in headless Chromium: what readers would stumble over, narrow and wide, light and dark."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
View = tuple[int, str]  # the window's width, the colours that its owner likes
ALL_VIEWS: list[View] = [(400, "light"), (400, "dark"), (1400, "light"), (1400, "dark")]
TWO_VIEWS: list[View] = [(400, "dark"), (1400, "light")]  # each width and scheme once
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# each element that Tab should reach, with its size: one that nobody sees cannot be used
FOCUSABLE = """() => [...document.querySelectorAll(
  'a[href], button, summary, audio[controls], [tabindex="0"]')].filter(one => one.checkVisibility())
  .map(one => one.outerHTML.slice(0, 60))"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  return {what: one === document.body ? '' : one.outerHTML.slice(0, 60),
          seen: box.width > 0 && box.right > 0 && box.bottom > 0,
          marked: one.tagName === 'AUDIO' || style.outlineStyle !== 'none'}}"""
# an audio element is ready when it knows its length
SOUNDS = """async () => Promise.all([...document.querySelectorAll('audio')].map(async one => {
  for (let wait = 0; wait < 100 && one.readyState < 1 && !one.error; wait++)
    await new Promise(done => setTimeout(done, 50));
  return one.error ? one.error.message : one.duration > 0 ? '' : 'it has no length'}))"""
WIDER = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""


@contextmanager
def chromium() -> Iterator:
    """A browser; where there is none, or no axe, the test is skipped and says so."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


def faults(browser, path: Path, views: list[View]) -> list[str]:
    """Everything wrong with a page in these views."""
    found = []
    for width, scheme in views:
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme)
        try:
            page = context.new_page()
            these = faults_of(page, path)
            if scheme == views[0][1]:  # Tab reaches the same in the other
                these += keyboard(page)
            found += [f"{width}, {scheme}: {one}" for one in these]
        finally:
            context.close()
    return found


def faults_of(page, path: Path) -> list[str]:
    """Everything wrong with a page as it is shown now."""
    from axe_playwright_python.sync_playwright import Axe

    found: list[str] = []
    page.on("console", lambda line: found.append(f"console {line.type}: {line.text}"))
    page.on("pageerror", lambda error: found.append(f"script: {error}"))

    def asked(route) -> None:
        if route.request.url != path.as_uri():
            found.append(f"fetches {route.request.url[:80]}")
        route.continue_()

    page.route(lambda url: not url.startswith("data:"), asked)
    page.goto(path.as_uri())
    found += [f"sound {place}: {why}" for place, why in enumerate(page.evaluate(SOUNDS)) if why]
    if (over := page.evaluate(WIDER)) > 0:
        found.append(f"wider than the window by {over} pixels")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    if (over := page.evaluate(WIDER)) > 0:
        found.append(f"wider than the window by {over} pixels with all details open")
    result = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    for rule in result.response["violations"]:
        places = [node["html"][:100] for node in rule["nodes"]]
        found.append(f"axe {rule['id']}: {rule['help']}: {len(places)} times, first {places[0]}")
    return found


def keyboard(page) -> list[str]:
    """What Tab does not reach, or reaches without a sign."""
    found = []
    wanted = page.evaluate(FOCUSABLE)
    reached = []
    for _ in range(3 * len(wanted) + 10):  # the parts of an audio element take a Tab each
        page.keyboard.press("Tab")
        now = page.evaluate(FOCUSED)
        if not now["what"]:
            break
        reached.append(now["what"])
        for word in ("seen", "marked"):
            if not now[word]:
                found.append(f"keyboard: focus is not {word} on {now['what']}")
    found += [f"keyboard: Tab does not reach {one}" for one in wanted if one not in reached]
    return found
