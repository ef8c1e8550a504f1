"""Sentences with codes: they stay what they are, reach clients, and have words in every language of the page."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from pathlib import Path

import pytest
from litestar.testing import TestClient
from map_stores import map_store

from surco.api.app import create_app
from surco.api.settings import Settings
from surco.embedstore import LabelError, Sentence, coded, codes_of, reworded

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "viewer/surco/viewer/static"


def _codes_in_python() -> dict[str, set[str]]:
    """Every code that is given to `Sentence` in the rooms, with the names of its values."""
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("*/surco/*/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sentence"
            )
            if named and len(node.args) == 2 and isinstance(node.args[1], ast.Constant):
                values = {each.arg for each in node.keywords if each.arg}
                found[str(node.args[1].value)] = found.get(str(node.args[1].value), values) & values
    return found


def _words(language: str) -> dict[str, str]:
    """The script of each code in a language."""
    lines = (STATIC / f"sentences_{language}.js").read_text(encoding="utf-8").splitlines()
    pairs = [re.match(r'  "?([\w-]+)"?: (.+),$', line) for line in lines]
    return {pair[1]: pair[2] for pair in pairs if pair}


@pytest.mark.parametrize("language", ["es", "en"])
def test_every_code_has_words(language: str) -> None:
    """A sentence without words would be said in English in a Spanish page; words without a sentence are dead."""
    codes, words = _codes_in_python(), _words(language)
    assert len(codes) > 50
    assert codes.keys() == words.keys()


@pytest.mark.parametrize("language", ["es", "en"])
def test_words_use_values_that_are_there(language: str) -> None:
    """What a translation puts into its sentence is sent with its code."""
    codes = _codes_in_python()
    for code, script in _words(language).items():
        used = set(re.findall(r"\bv\.(\w+)", script))
        assert used <= codes[code], (code, used - codes[code])


def test_a_sentence_is_its_words() -> None:
    """It is equal to them, stays coded when copied or sent to another process, and its plain text has no code."""
    said = Sentence("Expected 3, got 4.", "three", count=4)
    assert said == "Expected 3, got 4." and f"{said}" == said
    for each in (said, copy.deepcopy(said), pickle.loads(pickle.dumps(said)), ValueError(said)):  # noqa: S301 - our own
        assert coded(each) == {"code": "three", "values": {"count": 4}}
    assert (
        coded(str(said)) is None and coded(ValueError()) is None and coded(LabelError("a", "b", "c")) is None
    )
    assert codes_of([said, "other"]) == {"Expected 3, got 4.": {"code": "three", "values": {"count": 4}}}
    assert coded(reworded(said, "Expected 3.")) == coded(said) and coded(reworded("plain", "words")) is None


def test_refusals_and_notes_carry_their_code(tmp_path: Path) -> None:
    """A problem document has it beside its detail, an answer about areas and values for each of its notes."""
    map_store(tmp_path / "store", 200)
    with TestClient(create_app(Settings(tmp_path / "store"))) as client:
        refused = client.get("/maps/crops/2024-25/areas?bbox=1,1,2,2").json()
        assert refused["code"] == "part-empty" and refused["values"] == {}
        plain = client.get("/maps/crops/2024-25/areas?bbox=nowhere").json()
        assert "code" not in plain, "sentences without a code have none"
        for path in ("crops/2024-25/areas", "yields/2024-25/values"):
            answer = client.get(f"/maps/{path}").json()
            assert set(answer["notes"]) <= answer["said"].keys()
