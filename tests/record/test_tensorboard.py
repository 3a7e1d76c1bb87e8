"""A real TensorBoard, asked over HTTP what it shows of a real run."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from test_record import chunk, recorder

from runner.record.dashboards import picture, session_start
from runner.record.sweep_events import show_in_tensorboard

pytestmark = pytest.mark.slow

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAAAAAC4HznGAAAAC0lEQVR4nGNggAMAAAgAAYdmFpMAAAAASUVORK5CYII="
)
"""Three pixels by two."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    logdir = tmp_path_factory.mktemp("logs")
    for name in ("a", "b"):
        total = 30 if name == "a" else 90  # the other one stops early
        run = recorder(logdir / name, total)
        run.write(chunk(0, 30, {0: 0, 10: 1, 20: 2, 30: 3}, total=total, stopped_at=30))
        run.finish(compile_seconds=0.0)
    wild = recorder(logdir / "wild", batch_size=64)
    wild.write(chunk(0, 5, {0: 0}, train_loss=np.inf))
    wild.finish(compile_seconds=0.0)
    (logdir / "sweep.png").write_bytes(PNG)
    show_in_tensorboard(logdir / "sweep.png")
    show_in_tensorboard(logdir / "sweep.png")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir)]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield f"http://127.0.0.1:{port}/data/plugin"
        process.terminate()


def ask(url: str, body: Any = None, until: Any = bool) -> Any:
    """The answer, once the server is up and has loaded something."""
    data = None if body is None else json.dumps(body).encode()
    for _ in range(120):
        try:
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=5) as response:
                answer = json.load(response)
            if until(answer):
                return answer
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"no answer from {url}")


def test_scalars_are_shown(server: str) -> None:
    tags = ask(f"{server}/scalars/tags", until=lambda tags: len(tags) >= 3)
    assert {"iteration/train_loss", "epoch/train_loss", "epoch/test_error"} <= set(tags["a"])
    curve = ask(f"{server}/scalars/scalars?run=a&tag=epoch%2Ftrain_loss")
    assert [(step, value) for _, step, value in curve] == [(1, 9.0), (2, 8.0), (3, 7.0)]


def test_the_hyper_parameter_tab_is_filled(server: str) -> None:
    def filled(experiment: dict) -> bool:
        return len(experiment.get("metricInfos", [])) >= 13

    experiment = ask(f"{server}/hparams/experiment", {"experimentName": ""}, until=filled)
    columns = {info["name"]: info for info in experiment["hparamInfos"]}
    assert {"optimizer.learning_rate", "optimizer", "seed", "batch_size.name"} <= set(columns)
    assert next(iter(columns)) == "batch_size", "what differs comes first"
    assert columns["batch_size"]["type"] == "DATA_TYPE_FLOAT64"
    assert columns["batch_size.name"]["domainDiscrete"] == ["full"]
    names = [info["name"]["tag"] for info in experiment["metricInfos"]]
    assert names[:2] == ["epoch/best_validation_error", "epoch/best_validation_loss"]
    assert {"epoch/validation_error", "epoch/test_error", "epoch/train_loss"} <= set(names)
    metric = {"name": {"tag": "epoch/validation_error", "group": ""}}
    answer = ask(
        f"{server}/hparams/session_groups",
        {
            "experimentName": "",
            "allowedStatuses": ["STATUS_SUCCESS"],
            "colParams": [{"metric": metric["name"]}],
            "startIndex": 0,
            "sliceSize": 10,
        },
    )
    sessions = [group["sessions"][0] for group in answer["sessionGroups"]]
    assert len(sessions) == 2
    assert {session["status"] for session in sessions} == {"STATUS_SUCCESS"}, "none that diverged"
    assert [re.sub(r" \(.*\)", "", group["name"]) for group in answer["sessionGroups"]] == [
        "a",
        "b",
    ]
    values = [
        value["value"]
        for session in sessions
        for value in session["metricValues"]
        if value["name"]["tag"] == "epoch/validation_error"
    ]
    assert values == [7.375, 7.375]


def test_train_and_validation_share_a_chart(server: str) -> None:
    layout = ask(f"{server}/custom_scalars/layout")
    titles = [category["title"] for category in layout["category"]]
    assert titles == ["train, validation and test", "by iteration and by epoch"], "once, of 3 runs"
    shown = []
    for chart in layout["category"][0]["chart"] + layout["category"][1]["chart"][:2]:
        (pattern,) = chart["multiline"]["tag"]
        found = ask(f"{server}/custom_scalars/scalars?run=a&tag={quote(pattern)}")
        assert found["regex_valid"]
        shown.append(set(found["tag_to_events"]))
    splits = ("train", "validation", "test")
    assert shown[:2] == [{f"epoch/{x}_{name}" for x in splits} for name in ("loss", "error")]
    assert shown[2:] == [{"iteration/train_loss"}, {"epoch/train_loss"}]


def test_the_figure_of_a_sweep_is_an_image_once(server: str) -> None:
    tags = ask(f"{server}/images/tags")
    assert list(tags) == ["."]
    (tag,) = tags["."]
    assert tag == "sweep"
    (image,) = ask(f"{server}/images/images?run=.&sample=0&tag={quote(tag)}")
    with urllib.request.urlopen(f"{server}/images/individualImage?{image['query']}") as answer:
        assert answer.read() == PNG


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="PNG"):
        picture("sweep", b"<svg>")


def test_hyperparameters_are_written_as_tensorboards_own_writer_does() -> None:
    ours = session_start("a", {"rate": 0.5, "nesterov": True, "steps": None}, 1.5)
    content = plugin_data_pb2.HParamsPluginData.FromString(ours.metadata.plugin_data.content)
    theirs = metadata.create_summary_metadata(content)
    theirs.plugin_data.content = ours.metadata.plugin_data.content  # a map, in any order
    assert ours.metadata == theirs
    assert ours.tensor == metadata.NULL_TENSOR
    assert content.session_start_info.hparams["steps"].string_value == "null"
