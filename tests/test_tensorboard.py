"""A real TensorBoard, asked over HTTP what it shows of a real run."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from test_record import chunk, recorder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    logdir = tmp_path_factory.mktemp("logs")
    for name in ("a", "b"):
        run = recorder(logdir / name)
        run.write(chunk(0, 30, {0: 0, 10: 1, 20: 2, 30: 3}))
        run.close("finished")
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
    tags = ask(f"{server}/scalars/tags", until=lambda tags: len(tags) == 2)
    assert {"iteration/train_loss", "epoch/train_loss", "epoch/test_error"} <= set(tags["a"])
    curve = ask(f"{server}/scalars/scalars?run=a&tag=epoch%2Ftrain_loss")
    assert [(step, value) for _, step, value in curve] == [(1, 9.0), (2, 8.0), (3, 7.0)]


def test_the_hyper_parameter_tab_is_filled(server: str) -> None:
    def filled(experiment: dict) -> bool:
        return len(experiment.get("metricInfos", [])) >= 6

    experiment = ask(f"{server}/hparams/experiment", {"experimentName": ""}, until=filled)
    assert {"optimizer.learning_rate", "optimizer.name", "seed"} <= {
        info["name"] for info in experiment["hparamInfos"]
    }
    names = {info["name"]["tag"] for info in experiment["metricInfos"]}
    assert "epoch/validation_error" in names
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
    assert {session["status"] for session in sessions} == {"STATUS_SUCCESS"}
    values = [
        value["value"]
        for session in sessions
        for value in session["metricValues"]
        if value["name"]["tag"] == "epoch/validation_error"
    ]
    assert values == [7.375, 7.375]
