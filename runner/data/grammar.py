"""Sentences from a small grammar: a text whose entropy is known.

Every sentence follows from a few choices among equally likely words, and says which they were: the
grammar has one derivation for each sentence. So the choices of a text take exactly as many bits as
an ideal code of the text, the sum of log2 of the number of words at each choice, and no model can
need fewer on average. What a model has to find out: spelling; articles that agree with the letter
after them; verbs that agree with a subject several words before; and that an animal makes its own
noise.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from runner.lazy import np

_ANIMALS = {
    "dog": "barks",
    "cat": "purrs",
    "owl": "hoots",
    "horse": "neighs",
    "duck": "quacks",
    "frog": "croaks",
    "lion": "roars",
    "snake": "hisses",
    "eagle": "screams",
    "mouse": "squeaks",
    "wolf": "howls",
    "pig": "grunts",
    "bee": "hums",
    "sheep": "bleats",
    "rook": "caws",
    "ox": "lows",
}
"""Each with the noise that it makes."""

_MANNERS = ("old", "young", "angry", "happy", "empty-handed", "tired", "hungry", "small")
_PLACES = (
    "in the garden",
    "under the bridge",
    "near the river",
    "on the roof",
    "behind the house",
    "at the market",
    "in the forest",
    "by the sea",
)
_TIMES = ("At night", "In the morning", "Before the rain", "Every summer")
_DOINGS = ("waits", "sleeps", "walks alone", "looks for food")
_COUNTS = ("Two", "Three", "Four", "Seven")
_PLURALS = {"sheep": "sheep", "mouse": "mice", "wolf": "wolves", "ox": "oxen"}


class Corpus(NamedTuple):
    """A text and how many bits its random choices take, divided by its characters."""

    text: str
    bits_per_character: float


@functools.cache
def corpus(characters: int) -> Corpus:
    """Return the first characters of an endless text, always the same.

    Args:
        characters: how many.
    """
    writer = _Writer()
    sentences: list[str] = []
    length = 0
    while length < characters:
        sentences.append(writer.sentence())
        length += len(sentences[-1])
    # The last sentence is cut, and its choices count for the part that is left of it.
    return Corpus("".join(sentences)[:characters], writer.bits / length)


class _Writer:
    """Writes sentences, and counts the bits of its choices."""

    def __init__(self) -> None:
        self.bits = 0.0
        self._random = np.random.RandomState(1)  # whose numbers are the same in every version

    def sentence(self) -> str:
        """Return the next sentence, with a space or a line end after it."""
        forms = {"one": self._one, "several": self._several, "two": self._two}
        return forms[self._choice(tuple(forms))]() + self._choice((" ", " ", " ", "\n"))

    def _one(self) -> str:
        time, manner, animal = self._choice(_TIMES), self._choice(_MANNERS), self._animal()
        article = "an" if manner[0] in "aeiou" else "a"
        does = f"{self._choice(_DOINGS)} {self._choice(_PLACES)} and {_ANIMALS[animal]}"
        return f"{time}, {article} {manner} {animal} {does}."

    def _several(self) -> str:
        count, animal, place = self._choice(_COUNTS), self._animal(), self._choice(_PLACES)
        verb, space, rest = self._choice(_DOINGS).partition(" ")
        does = f"{verb.removesuffix('s')}{space}{rest} {place}"
        plural = _PLURALS.get(animal, f"{animal}s")
        return f"{count} {plural} {does}, and one of them {_ANIMALS[animal]}."

    def _two(self) -> str:
        first, place, manner = self._animal(), self._choice(_PLACES), self._choice(_MANNERS)
        other = self._choice(tuple(name for name in _ANIMALS if name != first))
        return f"The {first} {place} is {manner}, but the {other} {_ANIMALS[other]}."

    def _animal(self) -> str:
        return self._choice(tuple(_ANIMALS))

    def _choice(self, words: tuple[str, ...]) -> str:
        """One of some words; equal ones count together."""
        chosen = words[self._random.randint(len(words))]
        self.bits += math.log2(len(words) / words.count(chosen))
        return chosen
