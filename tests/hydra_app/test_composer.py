"""Jobs composed from a shared config are those that Hydra composes one by one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from runner.config.build import build, pin_data
from runner.errors import ConfigError
from runner.hydra_app import dot_hydra
from runner.hydra_app.application import Application
from runner.hydra_app.checking import as_plain
from runner.hydra_app.claiming import claimed
from runner.hydra_app.composer import Composer
from runner.hydra_app.job_environment import JobEnvironment, OncePerMessage
from runner.hydra_app.prepare import prepare_overrides


@pytest.fixture(scope="module")
def application() -> Iterator[Application]:
    yield Application.create(None)
    GlobalHydra.instance().clear()


@pytest.fixture
def sweep(application: Application) -> DictConfig:
    words = ["hydra.mode=MULTIRUN", "hydra.sweep.dir=outputs/${now:%f}"]  # microseconds
    config = application.compose_config("config", words, RunMode.MULTIRUN)
    assert config.hydra.sweep.dir, "as it is read before any job is composed"
    return config


@pytest.fixture
def composer(application: Application, sweep: DictConfig) -> Composer:
    return Composer(HydraContext(application.config_loader, Callbacks(sweep)), sweep)


def by_hydra(loader: ConfigLoader, sweep: DictConfig, words: list[str]) -> DictConfig:
    config = loader.load_sweep_config(sweep, prepare_overrides(words))
    OmegaConf.update(config, "hydra.job.id", "3", force_add=True)
    OmegaConf.update(config, "hydra.job.num", 3, force_add=True)
    return config


def recorded(config: DictConfig) -> Any:
    """The config without Hydra's part, with the paths and checksums of the data that it names."""
    plain = as_plain(config)
    pin_data(plain, build(plain))
    return plain


def unresolved(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        "seed=3",
        "optimizer.learning_rate=1e-3 seed=3",
        "optimizer=adam optimizer.b1=0.8 epochs=2",
        "batch_size=64 model.widths=[3,4]",
        "gradient=[clip_norm,noise] gradient.clip_norm.threshold=2",
        "steps=7",
        "+optimizer=sam optimizer.base=adam optimizer.base.b1=0.5",
        "data.dir='a b' data=mnist",
        "++seed=4",
        "experiment=deepobs_quadratic seed=1",
    ],
)
def test_the_quick_way_leads_to_the_same_config(
    line: str, shared: bool, application: Application, sweep: DictConfig, composer: Composer
) -> None:
    words = line.replace("'a b'", "a_b").split()
    for seed in ("seed=8", "seed=9"):  # the second finds what the first left behind
        job = composer.compose([*words, seed], 3)
        expected = by_hydra(application.config_loader, sweep, [*words, seed])
        assert job.plain == recorded(expected)
        config = job.config(shared=shared)
        assert unresolved(config) == unresolved(expected)
        assert config.hydra.sweep.subdir == expected.hydra.sweep.subdir


def test_configs_with_the_same_options_are_composed_once(
    application: Application, composer: Composer, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = []
    loader = application.config_loader
    load = loader.load_sweep_config
    monkeypatch.setattr(
        loader, "load_sweep_config", lambda *words: composed.append(words) or load(*words)
    )
    for optimizer in ("sgd", "adam"):
        for seed in range(20):
            composer.compose([f"optimizer={optimizer}", f"seed={seed}"], seed)
    assert len(composed) == 2


def test_the_folder_dot_hydra_is_hydras_own(
    tmp_path: Path, application: Application, sweep: DictConfig, composer: Composer
) -> None:
    """OmegaConf reads back what Hydra would have written."""
    words = ["optimizer=adam", "optimizer.learning_rate=1e-05", "data=mnist", "data.dir=1e3_x"]
    for number in range(2):
        job = composer.compose([*words, f"seed={number}"], 3)
        own = dot_hydra.keys_of_a_job(job.config(shared=True))
        dot_hydra.write(tmp_path / str(number), own, job.plain, job.base.hydra_text)
        expected = by_hydra(application.config_loader, sweep, [*words, f"seed={number}"])
        read = {
            name: OmegaConf.load(tmp_path / str(number) / f"{name}.yaml")
            for name in ("config", "hydra", "overrides")
        }
        assert read["config"] == OmegaConf.create(recorded(expected))
        hydra = OmegaConf.to_yaml(OmegaConf.masked_copy(expected, "hydra"), sort_keys=True)
        assert OmegaConf.to_yaml(read["hydra"], sort_keys=True) == hydra
        assert read["overrides"] == expected.hydra.overrides.task
    odd = ["a=1e3", "a='1'", "a=b:", "a=b: c", "a=b #c", "1=a", "12", "no", "=", "a=\u00e9", "'a=b"]
    for words in ([], *([word] for word in odd), odd):
        own["overrides"]["task"] = words
        dot_hydra.write(tmp_path / "odd", own, job.plain, job.base.hydra_text)
        assert OmegaConf.load(tmp_path / "odd" / "overrides.yaml") == words
        assert OmegaConf.load(tmp_path / "odd" / "hydra.yaml").hydra.overrides.task == words


def test_a_template_says_what_the_config_of_a_job_says(
    tmp_path: Path, composer: Composer, application: Application, sweep: DictConfig
) -> None:
    for number in (3, 4):
        words = ["optimizer=adam", "optimizer.b1=0.8", f"seed={number}"]
        job = composer.compose(words, number)
        config = job.config(shared=True)
        template = job.base.template
        assert template is not None
        dirname = job.directory_name()
        assert dirname == config.hydra.job.override_dirname
        assert template.subdir(number, dirname) == config.hydra.sweep.subdir
        assert template.sweep_directory == Path(config.hydra.sweep.dir)
        assert template.sweep_directory == Path(sweep.hydra.sweep.dir)
        folder = tmp_path / str(number)
        folder.mkdir()
        config.hydra.runtime.output_dir = str(folder)
        own = template.keys_of_a_job(number, job.task, dirname, folder)
        assert own == dot_hydra.keys_of_a_job(config)
        for environment in (template.environment(folder), JobEnvironment.of(config)):
            with environment.entered(OncePerMessage()):
                logging.getLogger("mine").info("%s", type(environment).__name__)
            with environment.entered(OncePerMessage()):
                logging.getLogger("mine").info("again %d", number)
        lines = (folder / "runner.log").read_text().splitlines()
        said = [line.partition(" mine: ")[2] for line in lines]
        assert said == ["JobEnvironment", f"again {number}"] * 2


@pytest.mark.parametrize(
    "word",
    [
        "hydra.sweep.subdir=${hydra.job.num}",
        "hydra.job_logging.handlers.file.filename=${hydra.runtime.output_dir}/${seed}.log",
        "+hydra.job.env_set.SEED=${seed}",
    ],
)
def test_unusual_settings_of_hydra_have_no_template(word: str, application: Application) -> None:
    words = ["hydra.mode=MULTIRUN", word]
    sweep = application.compose_config("config", words, RunMode.MULTIRUN)
    own = Composer(HydraContext(application.config_loader, Callbacks(sweep)), sweep)
    assert own.compose(["seed=3"], 0).base.template is None


def test_a_job_that_sets_a_key_of_hydra_has_a_template_of_its_own(composer: Composer) -> None:
    words = ["seed=3", "hydra.job.name=other"]
    job = composer.compose(words, 2)
    assert job.base.template is not None
    own = job.base.template.keys_of_a_job(2, job.task, job.directory_name(), Path("/a"))
    assert own["job"]["name"] == "other"
    assert own["job"]["override_dirname"] == job.config().hydra.job.override_dirname
    assert own["overrides"]["task"] == ["seed=3"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("optimizer.learning_rate=-1", "optimizer.learning_rate=-1 is out of range"),
        ("optimizer.lr=1", "optimizer.lr is not a key of optimizer=sgd"),
        ("optimizer=adm", "did you mean adam?"),
        ("seed=fast", "seed=fast must be a whole number"),
        ("data=beale model.widths=[3]", "has no part in data=beale"),
    ],
)
def test_a_mistake_is_told_as_for_a_single_run(line: str, words: str, composer: Composer) -> None:
    with pytest.raises(ConfigError) as found:
        composer.compose(line.split(), 5)
    assert words in str(found.value)
    assert f"[in run 5 of the sweep: {line}]" in str(found.value)


def test_a_config_of_ones_own_that_interpolates_is_resolved(
    tmp_path: Path, application: Application
) -> None:
    """`learning_rate: ${seed}` depends on the job, so it cannot be resolved beforehand."""
    GlobalHydra.instance().clear()
    folder = tmp_path / "optimizer"
    folder.mkdir()
    (folder / "mine.yaml").write_text("# Mine\nname: sgd\nlearning_rate: ${epochs}\n")
    mine = Application.create(str(tmp_path))
    sweep = mine.compose_config("config", ["hydra.mode=MULTIRUN"], RunMode.MULTIRUN)
    composer = Composer(HydraContext(mine.config_loader, Callbacks(sweep)), sweep)
    for epochs in (2, 3):
        job = composer.compose(["optimizer=mine", f"epochs={epochs}"], 0)
        assert job.plain["optimizer"]["learning_rate"] == epochs


def test_the_jobs_of_a_sweep_go_where_it_was_moved(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two sweeps that start within one second the second has a folder of its own."""
    monkeypatch.chdir(tmp_path)
    words = ["hydra.mode=MULTIRUN"]
    sweep = application.compose_config("config", words, RunMode.MULTIRUN)
    taken = Path(sweep.hydra.sweep.dir)
    taken.mkdir(parents=True)
    with claimed(sweep, "sweep", words) as directory:
        context = HydraContext(application.config_loader, Callbacks(sweep))
        template = Composer(context, sweep).compose(["seed=3"], 0).base.template
        assert template is not None
        assert str(template.sweep_directory) == sweep.hydra.sweep.dir == f"{taken}-2"
        assert directory.is_dir()
    assert not directory.exists(), "nothing was recorded in it"
