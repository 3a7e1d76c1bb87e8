"""Augmentations: random changes of the training images, which keep their meaning.

They are applied to each batch as it is stored, before the preprocessing, in the compiled program.
Every step draws new ones from the seed of the run. Evaluations, diagnostics and the statistics of a
preprocessing see the images as they are.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from runner.lazy import jax, jnp
from runner.options.option import Facts, Option, leaf, number, option

if TYPE_CHECKING:
    from jaxtyping import Array, Num, PRNGKeyArray


class Augmentation(Option):
    """A random change of each image of a batch."""

    changes: ClassVar[bool] = True
    """Whether it changes anything."""

    @abstractmethod
    def __call__(
        self, key: PRNGKeyArray, images: Num[Array, "batch height width channels"]
    ) -> Num[Array, "batch height width channels"]:
        """Return the changed images, in their type.

        Args:
            key: of the random numbers of this step.
            images: as they are stored.
        """

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Refuse examples that are no images."""
        if len(facts.stored_shape) != 3:
            yield (
                "name",
                "it moves the pixels of images [height, width, channels], and an example has the "
                f"shape {list(facts.stored_shape)}; use augmentation=none",
            )


@option
class NoAugmentation(Augmentation):
    """The images as they are."""

    changes: ClassVar[bool] = False

    def __call__(
        self, key: PRNGKeyArray, images: Num[Array, "batch height width channels"]
    ) -> Num[Array, "batch height width channels"]:
        """Return the images."""
        return images

    def conflicts(self, facts: Facts) -> Iterator[tuple[str, str]]:
        """Fit everything."""
        yield from ()


@option
class Shift(Augmentation):
    """x[i, j] <- x[i - a, j - b], with a and b uniform on the integers from -pixels to pixels.

    Each image has its own a and b; what comes from outside of the image is 0 as stored (black).
    It is what a random crop out of an image with `pixels` zeros around it gives: 4 in the usual
    augmentation of CIFAR-10 (He et al. 2016, section 4.2).
    """

    pixels: int = leaf(2, minimum=0)

    def __call__(
        self, key: PRNGKeyArray, images: Num[Array, "batch height width channels"]
    ) -> Num[Array, "batch height width channels"]:
        """Return every image, shifted."""
        batch, height, width, _ = images.shape
        shifts = jax.random.randint(key, (2, batch, 1), -self.pixels, self.pixels + 1)
        rows, columns = jnp.arange(height) - shifts[0], jnp.arange(width) - shifts[1]
        inside = ((rows >= 0) & (rows < height))[:, :, None]
        inside &= ((columns >= 0) & (columns < width))[:, None]
        rows, columns = jnp.clip(rows, 0, height - 1), jnp.clip(columns, 0, width - 1)
        moved = images[jnp.arange(batch)[:, None, None], rows[:, :, None], columns[:, None]]
        return jnp.where(inside[..., None], moved, 0).astype(images.dtype)


@option
class Flip(Augmentation):
    """Each image is mirrored with a probability of `rate`, its left for its right by default.

    For pictures of things (Krizhevsky et al. 2012); a mirrored digit is another sign.
    """

    direction: Literal["horizontal", "vertical"] = "horizontal"
    rate: float = number(0.5, minimum=0, maximum=1)

    def __call__(
        self, key: PRNGKeyArray, images: Num[Array, "batch height width channels"]
    ) -> Num[Array, "batch height width channels"]:
        """Return some images mirrored and the others as they are."""
        mirrored = jnp.flip(images, axis=2 if self.direction == "horizontal" else 1)
        chosen = jax.random.uniform(key, (len(images), 1, 1, 1)) < self.rate
        return jnp.where(chosen, mirrored, images)
