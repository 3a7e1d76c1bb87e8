"""What TensorBoard shows besides curves: hyper-parameters, the layout of charts, and pictures.

HPARAMS makes its columns from all runs that it finds: what differs between them comes first, and
the metrics are the last values of all scalars, in the order of their tags. A description of the
whole experiment is therefore not written: if a log directory has several, TensorBoard takes the
first, and shows only its columns. CUSTOM SCALARS merges the layouts of all runs and drops
duplicates, so every run has the same one, and any folder can be shown by itself.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_DOUBLE, DT_FLOAT, DT_STRING

from runner.measures import BITS, R_SQUARED, SPLITS, ErrorKind

CHARTS = {
    "train, validation and test": {
        "loss": f"epoch/({'|'.join(SPLITS)}|training_set)_loss$",
        "error": f"epoch/({'|'.join(SPLITS)}|training_set)_error$",
    },
    "by iteration and by epoch": {
        "training loss by iteration": "iteration/train_loss$",
        "training loss by epoch": "epoch/train_loss$",
        "training error by iteration": "iteration/train_error$",
        "training error by epoch": "epoch/train_error$",
    },
}
"""The categories of CUSTOM SCALARS; a chart shows the tags that a regular expression matches.

What is called error here is called what it is for the run: an absolute error, a distance."""

_FURTHER = {
    ErrorKind.ABSOLUTE: {"R²": f"epoch/({'|'.join(R_SQUARED)})$"},
    ErrorKind.CHARACTER_RATE: {"bits per character": f"epoch/({'|'.join(BITS)})$"},
}
"""What the first category shows, too, by the kind of the errors."""

_PNG = struct.Struct(">8s4x4sII")


def session_start(name: str, settings: Mapping[str, Any], started: float) -> Summary.Value:
    """The settings of a run, for HPARAMS.

    Numbers and booleans keep their type; everything else is shown as text. The name of a trial is
    the run's own name, because TensorBoard would put the folders above in front of it and cut it
    off; and the time, because trials of one name would be shown as one.

    Args:
        name: the run's name.
        settings: by dotted key.
        started: when the run started, in seconds since 1970.
    """
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionStartInfo

    time = datetime.fromtimestamp(started).isoformat(" ", "milliseconds")
    session = SessionStartInfo(start_time_secs=started, group_name=f"{name} ({time})")
    for key, setting in settings.items():
        if isinstance(setting, bool):
            session.hparams[key].bool_value = setting
        elif isinstance(setting, int | float):
            session.hparams[key].number_value = setting
        else:
            session.hparams[key].string_value = "null" if setting is None else str(setting)
    return _hparams("_hparams_/session_start_info", session_start_info=session)


def session_end(succeeded: bool, ended: float) -> Summary.Value:
    """How a run ended, for HPARAMS."""
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import SessionEndInfo

    status = STATUS_SUCCESS if succeeded else STATUS_FAILURE
    session = SessionEndInfo(status=status, end_time_secs=ended)
    return _hparams("_hparams_/session_end_info", session_end_info=session)


@functools.cache
def layout(error: ErrorKind) -> Summary.Value:
    """The layout of CUSTOM SCALARS: `CHARTS`, and more where targets are numbers or characters.

    Args:
        error: what the errors of the run are.
    """
    from tensorboard.plugins.custom_scalar import metadata
    from tensorboard.plugins.custom_scalar.layout_pb2 import (
        Category,
        Chart,
        Layout,
        MultilineChartContent,
    )

    named = {
        title: {name.replace("error", error.noun): tag for name, tag in own.items()}
        for title, own in CHARTS.items()
    }
    of_splits, *others = named.items()
    of_splits = of_splits[0], of_splits[1] | _FURTHER.get(error, {})
    categories = [
        Category(
            title=title,
            chart=[
                Chart(title=name, multiline=MultilineChartContent(tag=[pattern]))
                for name, pattern in charts.items()
            ],
        )
        for title, charts in [of_splits, *others]
    ]
    content = Layout(category=categories).SerializeToString()
    return Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG,
        tensor=TensorProto(dtype=DT_STRING, string_val=[content]),
        metadata=metadata.create_summary_metadata(),
    )


def picture(tag: str, png: bytes) -> Summary.Value:
    """A picture, for IMAGES.

    Raises:
        ValueError: these are not the bytes of a PNG file.
    """
    signature, kind, width, height = _PNG.unpack_from(png.ljust(_PNG.size))
    if signature != b"\x89PNG\r\n\x1a\n" or kind != b"IHDR":
        raise ValueError("not a PNG file")
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Summary.Value(tag=tag, image=image)


def histogram(tag: str, low: float, high: float, counts: npt.NDArray) -> Summary.Value:
    """A histogram of bins of equal width, for HISTOGRAMS and DISTRIBUTIONS.

    Args:
        tag: its name.
        low: where the first bin starts.
        high: where the last bin ends.
        counts: shape `(bins,)`.
    """
    from tensorboard.plugins.histogram import metadata

    edges = np.linspace(low, high, len(counts) + 1)
    bins = np.stack([edges[:-1], edges[1:], counts], axis=1)
    shape = [TensorShapeProto.Dim(size=size) for size in bins.shape]
    return Summary.Value(
        tag=tag,
        tensor=TensorProto(
            dtype=DT_DOUBLE,
            tensor_shape=TensorShapeProto(dim=shape),
            tensor_content=bins.astype("<f8").tobytes(),
        ),
        metadata=metadata.create_summary_metadata(display_name="", description=""),
    )


def _hparams(tag: str, **content: Any) -> Summary.Value:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    # A copy of `tensorboard.plugins.hparams.metadata`, which is slow to import.
    plugin = SummaryMetadata.PluginData(
        plugin_name="hparams", content=HParamsPluginData(**content).SerializeToString()
    )
    empty = TensorProto(
        dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
    )
    return Summary.Value(tag=tag, tensor=empty, metadata=SummaryMetadata(plugin_data=plugin))
