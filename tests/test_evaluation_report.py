"""The evaluation report: one file without network, whatever the labels are called, and sentences that hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from adapter_contract import labelled_vectors
from browser import CHROMIUM, FLAGS, need_chromium
from playwright.sync_api import sync_playwright

from surco.adapters import CropTypeAdapter
from surco.adapters.evaluation import (
    About,
    Evaluation,
    Labelled,
    evaluate,
    evaluate_fitted,
    leave_each_out,
    report_page,
    spatial_blocks,
)
from surco.adapters.evaluation.report_tables import confusion_table
from surco.adapters.evaluation.report_words import cannot_say, finding, verdict
from surco.adapters.scores import score

HOSTILE = '<script>alert("maíz")</script>'


class _Reader(HTMLParser):
    """Collects tags, checks that they close, and keeps the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "br", "line", "circle", "polyline", "polygon"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("polyline",):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def read(page: str) -> _Reader:
    """The page, parsed; every tag that opens must close."""
    reader = _Reader()
    reader.feed(page)
    assert [tag for tag in reader.open if tag != "polyline"] == []
    return reader


@pytest.fixture(scope="module")
def found() -> Evaluation:
    """An evaluation with regions, levels and curves, in which a class and a region have hostile names."""
    X, y, _ = labelled_vectors(240, noise=1.8)
    groups = np.arange(240) // 8
    y = np.where(y == "crop 000", HOSTILE, y)
    regions = [HOSTILE if g % 6 == 0 else f"region {g % 6}" for g in groups]
    data = Labelled.of(X, y, groups, regions=regions, features={"raw bands": X[:, :12]})
    return evaluate(
        CropTypeAdapter(),
        data,
        leave_each_out(data),
        parents={"crop 001": "grass", "crop 002": "grass"},
        shots=(1, 5, 20),
        draws=3,
        baselines=("majority class", "logistic regression"),
    )


def test_the_page_stands_alone_and_is_safe(found: Evaluation) -> None:
    """No script, no link, a policy that allows none, and names of classes and regions shown as text."""
    about = About(
        f"Maule {HOSTILE}", HOSTILE, [("labels", HOSTILE)], [f"warned {HOSTILE}"], f"credit {HOSTILE}"
    )
    page = report_page(found, about)
    reader = read(page)
    assert {"script", "img", "link", "iframe", "object"} & set(reader.tags) == set()
    assert reader.links == []
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|@import|url\(", page)
    assert "<script" not in page
    assert any(HOSTILE in words for words in reader.words)
    text = " ".join(reader.words)
    assert text.index("warned <script>") < text.index("What this report cannot say")


def test_the_first_screen_says_what_was_found(found: Evaluation) -> None:
    """Two sentences with counts, scores and the best baseline; then what the report cannot say."""
    text = " ".join(read(report_page(found, About("Maule"))).words)
    lead = text[: text.index("What this report cannot say")]
    assert "On 240 labels in 30 places that it had not seen" in lead
    assert "classes for" in lead
    assert f"best of 3 baselines, {found.best}" in lead
    assert "probability sample" in text
    assert "Region by region" in text
    assert "Cuántas etiquetas bastan" in text
    assert "One step up the legend: 3 classes" in text
    assert "Sets of classes that hold the true one" in text


def test_the_verdict_follows_the_interval(found: Evaluation) -> None:
    """Above, below, no clear difference, and no interval are four different sentences."""
    X, y, groups = labelled_vectors(300, noise=2.0)
    strong = CropTypeAdapter().fit(X[:150], y[:150])
    weak = CropTypeAdapter().fit(X[:4], y[:4])
    data = Labelled.of(X[150:], y[150:], groups[150:])
    assert "above its only baseline, weak" in verdict(evaluate_fitted({"strong": strong, "weak": weak}, data))
    below = verdict(evaluate_fitted({"weak": weak, "strong": strong}, data))
    assert "below its only baseline, strong" in below
    assert "use that one instead" in below
    twin = CropTypeAdapter().fit(X[:150], y[:150])
    assert "no clear difference" in verdict(evaluate_fitted({"strong": strong, "twin": twin}, data))
    close = Labelled.of(X[150:], y[150:], groups[150:] % 3)
    unsure = evaluate_fitted({"strong": strong, "weak": weak}, close)
    assert "too few places to say" in verdict(unsure)
    assert any("under five places" in text for text in cannot_say(unsure))
    alone = evaluate_fitted({"strong": strong}, data)
    assert "nothing to compare" in verdict(alone)
    assert read(report_page(alone, About("alone")))


def test_the_finding_counts_right(found: Evaluation) -> None:
    """The accuracy in the sentence is the one of the scores."""
    accuracy = found.entry().scores.accuracy
    assert f"for {100 * accuracy.value:.0f} (" in finding(found, "it")


def test_many_classes_show_their_confusions() -> None:
    """A matrix nobody can read becomes a list of the commonest confusions."""
    codes = np.arange(400) % 40
    proba = np.eye(40)[np.where(codes == 7, 8, codes)] * 0.9 + 0.1 / 40
    text = confusion_table(score(codes, proba, [f"crop {i}" for i in range(40)], np.arange(400)))
    assert "commonest confusions of 40 classes" in text
    assert text.count("<tr>") == 2  # the head, and the one confusion
    assert "crop 8" in text


def test_blocks_say_that_regions_are_unknown() -> None:
    """Blocks held out among labelled ones do not speak of other regions, and the report says so."""
    X, y, groups = labelled_vectors(120)
    data = Labelled.of(X, y, groups)
    blocks = evaluate(
        CropTypeAdapter(),
        data,
        spatial_blocks(data),
        shots=(1, 3),
        draws=2,
        baselines=("logistic regression",),
    )
    page = report_page(blocks, About("blocks"))
    assert "region or season without any labels" in page
    assert "Region by region" not in page
    assert "places or classes are too few" in page  # two draws make no curve


@pytest.mark.browser
def test_the_page_fits_a_phone(found: Evaluation, tmp_path: Path) -> None:
    """In Chromium, light and dark, the page asks for nothing, complains of nothing, and fits a phone's width."""
    need_chromium()
    path = tmp_path / "report.html"
    path.write_text(report_page(found, About("Maule", facts=[("labels", "x" * 200)])), encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        grounds = []
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
            noise: list[str] = []
            page.on("console", lambda message, noise=noise: noise.append(message.text))
            page.on("request", lambda request, noise=noise: noise.append(request.url))
            page.goto(path.as_uri())
            assert noise == [path.as_uri()]
            assert page.evaluate("document.documentElement.scrollWidth") == 360
            lead = page.locator("p.lead").bounding_box()
            assert lead is not None
            assert lead["y"] + lead["height"] < 740
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            page.close()
        browser.close()
    assert len(set(grounds)) == 2
