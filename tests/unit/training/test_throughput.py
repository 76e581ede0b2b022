import pytest

from dhel_kcl.training import throughput


def test_a_rate_counts_instances_of_the_batches_that_fit_the_time(monkeypatch):
    clock, sizes = [0.0], []
    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock[0])

    def step(batch):
        sizes.append(batch)
        clock[0] += batch / 1000 + (0.001 if len(sizes) == 1 else 0)

    assert throughput.rate(step, 64, seconds=0.04) == pytest.approx(1000)
    assert sizes[:5] == [2, 2, 4, 8, 16]
    assert set(sizes[5:]) == {32} or not sizes[5:], "64 would take longer than 0.04 s"
    sizes.clear()
    assert throughput.rate(step, 64, seconds=0.001) == pytest.approx(2 / 0.003)
    assert sizes == [2]
