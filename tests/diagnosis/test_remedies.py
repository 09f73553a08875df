"""Remedies of large networks are tried two at a time, with the results of one at a time."""

from dataclasses import replace

import numpy as np
import pytest

from backlit.diagnosis import diagnose, remedies
from backlit.formats.problems import read_problem


@pytest.mark.parametrize(
    "options", [{}, {"activation": "gelu", "norm": "batch"}, {"activation": "relu", "dropout": 0.2}]
)
def test_two_at_a_time_give_what_one_at_a_time_gives(monkeypatch, options):
    sick = {"depth": 12, "width": 24, "seeds": 1, **options}
    monkeypatch.setattr(remedies, "LARGE", 0)
    paired = diagnose(**sick).remedies
    monkeypatch.setattr(remedies, "run_on", lambda net, jobs: [job.function(*job.args) for job in jobs])
    alone = diagnose(**sick).remedies
    assert [one.to_dict() for one in paired] == [one.to_dict() for one in alone]
    assert len(paired) > 10


def test_a_remedy_keeps_what_it_does_not_change():
    """W and b in their layers, the output's at the top; γ and β where the norm is the same."""
    draw = np.random.default_rng(0)
    layer = {"units": 6, "activation": "tanh", "norm": "layer"}
    problem = read_problem({"inputs": 6, "layers": [*[layer] * 5, {"units": 1}], "init": {"scheme": "orthogonal"}})
    problem.params.theta[:] += draw.standard_normal(problem.params.theta.size)
    found = diagnose(problem)
    given = {remedy.remedy: remedy for remedy in found.remedies if remedy.scheme is None}
    assert {"batch norm", "skips with scale 1", "clip_norm 1", "3 layers in place of 6"} <= set(given)
    for name, remedy in given.items():
        net, params = remedy.net, read_problem(replace(found, remedies=[remedy]).fixed_problem()).params
        for l in range(1, net.L + 1):
            k = l if l < net.L else problem.net.L
            np.testing.assert_array_equal(params.W[l], problem.params.W[k], err_msg=name)
            np.testing.assert_array_equal(params.b[l], problem.params.b[k], err_msg=name)
            if l < net.L and name != "batch norm":
                np.testing.assert_array_equal(params.gamma[l], problem.params.gamma[k], err_msg=name)
                np.testing.assert_array_equal(params.beta[l], problem.params.beta[k], err_msg=name)
            elif l < net.L:
                assert (params.gamma[l] == 1).all()
                assert (params.beta[l] == 0).all()
    own = found.measured.top_to_bottom
    assert given["clip_norm 1"].measured_ratio == pytest.approx(own, rel=1e-12)
