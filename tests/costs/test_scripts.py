"""Short forms of scripts/cost_networks.py and cost_growth.py, and faults that they would notice."""

import pytest
from tests.scripts import load_script


def test_operations_and_bytes_in_random_networks():
    assert load_script("cost_networks").run(networks=60, peaks=0, seed=1, show=False) == []


def test_a_ledger_that_forgets_an_equation_is_noticed(monkeypatch):
    module = load_script("cost_networks")
    full = module.count

    def forgetful(*args, **options):
        ledger = full(*args, **options)
        return type(ledger)(tuple(entry for entry in ledger.entries if entry.equation != "BP3"))

    monkeypatch.setattr(module, "count", forgetful)
    assert len(module.run(networks=5, peaks=0, seed=1, show=False)) == 5


def test_growth_is_that_of_the_sums(tmp_path):
    module = load_script("cost_growth")
    sweeps = module.run(module.QUICK, clock=lambda net, m, batches: 1e-9 * m * batches * sum(net.n))
    for one in sweeps:
        assert one.slope(one.operations) == pytest.approx(one.slope(one.products_sum), abs=0.15)
        assert one.slope(one.activations) == pytest.approx(one.slope(one.units_sum), abs=0.15)
    module.plot(sweeps, str(tmp_path / "growth.svg"))
    assert (tmp_path / "growth.svg").stat().st_size > 1000
    assert len(module.table(sweeps).splitlines()) == 5
