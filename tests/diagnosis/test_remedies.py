"""Remedies of large networks are tried two at a time, with the results of one at a time."""

import threading
import time
from functools import partial

import numpy as np
import pytest

from backlit.diagnosis import diagnose, remedies
from backlit.diagnosis.remedies import in_pairs
from backlit.errors import ProblemError


@pytest.mark.parametrize(
    "options", [{}, {"activation": "gelu", "norm": "batch"}, {"activation": "relu", "dropout": 0.2}]
)
def test_two_at_a_time_give_what_one_at_a_time_gives(monkeypatch, options):
    sick = {"depth": 12, "width": 24, "seeds": 1, **options}
    monkeypatch.setattr(remedies, "LARGE", 0)
    paired = diagnose(**sick).remedies
    monkeypatch.setattr(remedies, "in_pairs", lambda each: [one() for one in each])
    alone = diagnose(**sick).remedies
    assert [one.to_dict() for one in paired] == [one.to_dict() for one in alone]
    assert len(paired) > 10


def test_pairs_run_together_each_with_numpys_settings_of_the_caller():
    both = threading.Barrier(2, timeout=10)

    def divide(x):
        both.wait()
        return float(np.float64(x) / 0)

    with np.errstate(divide="ignore"):
        assert in_pairs([partial(divide, x) for x in (1.0, -1.0, 2.0, -2.0)]) == [np.inf, -np.inf, np.inf, -np.inf]


def test_an_error_in_one_is_raised_and_the_rest_is_not_begun():
    begun = []

    def one(i):
        begun.append(i)
        if i == 1:
            raise ProblemError("layer 1 is lost")
        time.sleep(0.1)  # in all 5 s, for the error to be seen in on a machine that is busy

    with pytest.raises(ProblemError, match="layer 1 is lost"):
        in_pairs([partial(one, i) for i in range(100)])
    assert len(begun) < 50
