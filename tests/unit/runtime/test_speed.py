import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from dhel_kcl.runtime import cost, speed
from dhel_kcl.study.suite import Suite
from tests.pipeline import ROOT

DIGITS = Suite.load(ROOT, "digits")
CPU = torch.device("cpu")
TRAINING = cost.training_benchmark(DIGITS, DIGITS.runs[0], "fp32")
EMBEDDING = cost.embedding_benchmark(DIGITS, "digits", "digits")


@pytest.mark.parametrize("benchmark", [TRAINING, EMBEDDING])
def test_a_rate_is_measured_with_the_packages_own_steps(benchmark):
    assert 100 < benchmark.measure(CPU, seconds=0.2) < 1e7


def test_the_speed_is_that_of_the_process_not_of_the_run():
    """Runs that differ in loss and seed alone are measured once; those of other batch sizes are not the same."""
    keys = {run.batch_size: set() for run in DIGITS.runs}
    for run in DIGITS.runs:
        keys[run.batch_size].add(cost.training_benchmark(DIGITS, run, "fp32").key)
    assert [len(found) for found in keys.values()] == [1, 1, 1]
    assert len(set.union(*keys.values())) == 3
    shared = DIGITS.pretrain_spec(DIGITS.runs[0]) | {"batch_size": 64, "processes": 4}
    assert speed.TrainingBenchmark.of(shared, "bf16", 1, 8).spec.batch_size == 16
    assert speed.TrainingBenchmark.of(shared, "bf16", 1, 8).spec.precision == "bf16"


def test_a_speed_is_measured_once_for_a_device_and_code(monkeypatch, tmp_path):
    measured = []

    def measure(benchmark, place, seconds):
        measured.append(benchmark.key)
        return 1000.0

    for kind in (speed.TrainingBenchmark, speed.EmbeddingBenchmark):
        monkeypatch.setattr(kind, "measure", measure)
    cache = tmp_path / "throughput.json"
    rates = speed.measured([TRAINING, EMBEDDING, TRAINING], CPU, cache)
    assert rates == {TRAINING.key: 1000.0, EMBEDDING.key: 1000.0}
    assert measured == [TRAINING.key, EMBEDDING.key]
    assert cache.is_file()
    assert speed.measured([TRAINING, EMBEDDING], CPU, cache) == rates
    assert len(measured) == 2, "found in the file"
    monkeypatch.setattr(speed.science, "of_step", {"plan": "other code"}.get)
    speed.measured([TRAINING], CPU, cache)
    assert len(measured) == 3, "the code changed, by the digest that the rule has"


def test_a_second_process_waits_and_finds_the_first_ones_speeds(monkeypatch, tmp_path):
    cache, measured = tmp_path / "throughput.json", []
    monkeypatch.setattr(speed.TrainingBenchmark, "measure", lambda benchmark, place, seconds: measured.append(seconds))
    with ThreadPoolExecutor() as second:
        with speed._alone(cache):
            rates = second.submit(speed.measured, [TRAINING], CPU, cache)
            with pytest.raises(TimeoutError):
                rates.result(timeout=0.3)
            cache.write_text(json.dumps({speed._entry(TRAINING, CPU): 5.0}))
        assert rates.result(timeout=10) == {TRAINING.key: 5.0}
    assert not measured


def test_of_batch_sizes_the_smallest_and_the_largest_are_measured(monkeypatch, tmp_path):
    """A step takes a time for itself and one for each image, here 1 s and 0.1 s."""
    measured = []

    def measure(benchmark, place, seconds):
        measured.append((benchmark.spec.batch_size, seconds))
        return benchmark.spec.batch_size / (1 + 0.1 * benchmark.spec.batch_size)

    monkeypatch.setattr(speed.TrainingBenchmark, "measure", measure)
    benchmarks = [cost.training_benchmark(DIGITS, run, "fp32") for run in DIGITS.runs]
    rates = speed.measured(benchmarks, CPU, tmp_path / "throughput.json")
    assert sorted(measured) == [(16, 2.0), (128, 2.0)], "together as long as all may take"
    for benchmark in benchmarks:
        size = benchmark.spec.batch_size
        assert rates[benchmark.key] == pytest.approx(size / (1 + 0.1 * size))


def test_a_benchmark_takes_the_threads_that_a_job_takes(monkeypatch):
    monkeypatch.setattr(speed.cores, "available", lambda: 2)
    spec = DIGITS.pretrain_spec(DIGITS.runs[0]) | {"threads": 8}
    assert speed.TrainingBenchmark.of(spec, "fp32", 1, 8).threads == 2
    assert speed.TrainingBenchmark.of(spec | {"processes": 2}, "fp32", 1, 8).threads == 1
