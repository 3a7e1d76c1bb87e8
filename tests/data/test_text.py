"""Texts and the adding problem: what the examples are, and what can be wrong with a file."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from conftest import compose

from runner.data import Adding, Text
from runner.data.grammar import corpus
from runner.errors import ConfigError, DataError


def text_file(folder: Path, text: str) -> str:
    path = folder / "a.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_examples_are_pieces_of_the_text_and_targets_the_characters_after_them(
    tmp_path: Path,
) -> None:
    text = "".join(chr(0x4E00 + i) for i in range(300)) + "\nabc é"
    source = Text(path=text_file(tmp_path, text), steps=10, split=(6, 2, 2))
    assert (source.classes, source.symbols, source.input_shape) == (306, 306, (10,))
    characters = source.characters()
    read, after = "", ""
    for split, size in zip(source.load(), (18, 6, 6), strict=True):
        assert split.inputs.shape == split.targets.shape == (size, 10)
        read += "".join(characters[int(i)] for i in split.inputs.ravel())
        after += "".join(characters[i] for i in split.targets.ravel())
    assert read == text[:300]
    assert after == text[1:301]
    assert "306 characters, 306 different ones" in source.summary()
    assert source.pinned().sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_small_alphabet_is_stored_in_bytes(tmp_path: Path) -> None:
    source = Text(path=text_file(tmp_path, "ab" * 200), steps=4)
    assert source.load().train.inputs.dtype == np.uint8
    assert "their shares alone give 1.00 bits" in source.summary()


@pytest.mark.parametrize(
    ("content", "numbers", "reason"),
    [
        (None, {}, "a.txt: cannot be read: No such file"),
        (b"ab\ncd\xff", {}, "a.txt, line 2: is not UTF-8"),
        (b"abcdefg" * 5, {}, "35 characters are 0 examples of 64, .* smaller data.steps"),
        (b"ab" * 65, {}, "are 2 examples of 64, too few to split"),
        (b"a" * 900, {}, "1 different characters"),
        (b"abc" * 300, {"steps": 0}, "data.steps"),
        (b"abc" * 300, {"split": [1, 1, 0]}, "data.split"),
        (b"abc" * 300, {"sha256": "0"}, "is not what it was"),
    ],
)
def test_what_is_wrong_with_a_text_is_one_line(
    content: bytes | None, numbers: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    model = "rnn"
    with pytest.raises((ConfigError, DataError), match=reason):
        compose(data={"name": "text", "path": str(path), **numbers}, model=model)


ANIMALS, PLACES, MANNERS, DOINGS = 16, 8, 8, 4
SENTENCES = {
    r"(At night|In the morning|Before the rain|Every summer), an? [\w-]+ \w+ [\w ]+ and \w+\.": (
        4 * MANNERS * ANIMALS * DOINGS * PLACES
    ),
    r"(Two|Three|Four|Seven) \w+ [\w ]+, and one of them \w+\.": 4 * ANIMALS * PLACES * DOINGS,
    r"The \w+ [\w ]+ is [\w-]+, but the \w+ \w+\.": ANIMALS * PLACES * MANNERS * (ANIMALS - 1),
}
"""The forms of a sentence, and how many equally likely ones there are of each."""


def test_the_bits_of_the_generated_text_are_those_of_its_sentences() -> None:
    """Counted from the text alone; a line end follows a quarter of the sentences."""
    found = corpus(20_000)
    bits, length = 0.0, 0
    for sentence, end in re.findall(r"([^.]*\.)([ \n])", found.text):
        (many,) = [count for form, count in SENTENCES.items() if re.fullmatch(form, sentence)]
        bits += math.log2(3 * many) + (2 if end == "\n" else math.log2(4 / 3))
        length += len(sentence) + 1
    assert found.bits_per_character == pytest.approx(bits / length, rel=2e-3)
    assert corpus(100_000).text.startswith(found.text), "always the same"
    assert "a empty" not in found.text
    assert "an empty-handed" in found.text
    assert not re.search(r"an [^aeiou]", found.text)


def test_the_sum_of_two_marked_numbers_is_to_be_predicted() -> None:
    source = Adding(steps=7, train_examples=4000, data_seed=3)
    stored = source.load().train
    inputs, targets = jax.jit(source.draw, static_argnums=1)(jax.random.key(0), 4000)
    for numbers, sums in ((stored.inputs, stored.targets), (np.asarray(inputs), targets)):
        values, marks = numbers[..., 0], numbers[..., 1]
        assert (marks[:, :3].sum(1) == 1).all()
        assert (marks[:, 3:].sum(1) == 1).all()
        np.testing.assert_allclose(sums[:, 0], (values * marks).sum(1), rtol=1e-6)
        assert np.mean((np.asarray(sums) - 1) ** 2) == pytest.approx(1 / 6, rel=0.05)
        assert marks.mean(0) == pytest.approx([1 / 3] * 3 + [1 / 4] * 4, abs=0.03)
    assert "0.167" in source.summary()
