"""The page in a real browser: sort, filter a rule, open a number's source."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archer.report.html import page
from archer.report.study import Study

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--window-size=1280,1600",),
)


@pytest.fixture
def browser(noisy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page of a made-up benchmark, open in chromium."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("chromium and chromedriver are not installed (apt-get install chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "report.html"
    path.write_text(page(Study.of(noisy())))
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.get(path.as_uri())
        yield driver
        assert driver.get_log("browser") == []
    finally:
        driver.quit()


def all_of(browser: Any, what: str) -> list[Any]:
    found: list[Any] = browser.find_elements("css selector", what)
    return found


def rules(browser: Any) -> list[str]:
    return [row.text for row in all_of(browser, "#table tbody th") if row.is_displayed()]


def widths(browser: Any, width: int) -> tuple[int, int]:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    script = "const e = document.documentElement; return [e.scrollWidth, e.clientWidth]"
    found: list[int] = browser.execute_script(script)
    return found[0], found[1]


def test_clicking_through(browser):
    assert rules(browser) == ["delta", "momentum", "softmax_attention", "gated_delta"]
    head = all_of(browser, "#table thead th")[7]  # Average
    head.find_element("tag name", "button").click()
    assert rules(browser) == ["softmax_attention", "gated_delta", "delta", "momentum"]
    assert head.get_attribute("aria-sort") == "descending"
    head.find_element("tag name", "button").click()
    assert rules(browser)[0] == "momentum"

    box = all_of(browser, ".filter input[value=momentum]")[0]
    box.click()
    assert "momentum" not in rules(browser)
    assert not [x for x in all_of(browser, "article[data-rule=momentum]") if x.is_displayed()]
    assert not [x for x in all_of(browser, "svg g[data-rule=momentum]") if x.is_displayed()]

    # a number whose rule is filtered out brings its row back
    number = browser.execute_script(
        "return [...document.querySelectorAll('a.n')].find(a => a.title.includes('momentum on'))"
    )
    cells = number.get_attribute("data-cells").split()
    browser.execute_script("arguments[0].click()", number)
    assert "momentum" in rules(browser)
    lit = {cell.get_attribute("id") for cell in all_of(browser, "td.source")}
    assert lit == set(cells)
    assert browser.execute_script("return document.activeElement.id") == cells[0]
    assert browser.execute_script("return location.hash") == f"#{cells[0]}"


def test_nothing_is_wider_than_the_window(browser):
    for width in (1280, 768, 390, 340):
        content, window = widths(browser, width)
        assert content <= window, width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, scheme):
    """WCAG AA: 4.5 to 1, for text, dimmed text, links, and text on the strongest colours."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    found = browser.execute_script(CONTRAST)
    assert len(found) > 100
    assert [text for text, ratio in found if ratio < 4.5] == []


CONTRAST = """
const parse = c => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const mix = (top, under) => {
  const a = top.length > 3 ? top[3] : 1;
  return [0, 1, 2].map(i => a * top[i] + (1 - a) * under[i]);
};
const ground = e => {
  const own = parse(getComputedStyle(e).backgroundColor);
  const page = parse(getComputedStyle(document.body).backgroundColor).slice(0, 3);
  return e === document.body ? page : mix(own, ground(e.parentElement));
};
const light = c => {
  const [r, g, b] = c.map(x => x / 255).map(x =>
    x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
return [...document.body.querySelectorAll("p, li, a, th, td, td span, b, summary, code, h2, h3")]
  .filter(e => e.textContent.trim() && e.offsetParent)
  .map(e => {
    const a = light(mix(parse(getComputedStyle(e).color), ground(e))), b = light(ground(e));
    return [e.textContent.trim().slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
"""
