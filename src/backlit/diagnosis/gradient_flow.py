"""`GradientFlow`: the diagnosis of a network while it trains, cheap enough to leave on."""

import logging
import time
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np

from backlit.core.dropout import DropoutKey
from backlit.core.parameters import Parameters
from backlit.core.passes import backward, forward
from backlit.diagnosis.findings import VERDICTS, Finding, evidence, regime_of, units
from backlit.diagnosis.measurement import MeasuredFlow, measure_flow
from backlit.display import Displayed
from backlit.engine import Data
from backlit.registry import finite_number, positive_integer
from backlit.training.run import Run
from backlit.training.sharding import Shards
from backlit.training.streaming import Stream

LAYER_SECONDS = 5e-4  # of the textbook's pass and of reading it, on an ordinary core, whatever the width
PASS = 8  # how much longer the textbook's float64 takes for a row than an engine


@dataclass(frozen=True)
class FlowRecord:
    """The flow after one epoch, its verdict and findings, and the seconds that measuring it took."""

    epoch: int
    flow: MeasuredFlow
    verdict: str
    findings: list[Finding]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain names and numbers."""
        layers = [
            {"layer": l, **vars(layer), "grad_ratio": self.flow.grad_ratio(l)}
            for l, layer in enumerate(self.flow.layers[1:], start=1)
        ]
        findings = [finding.to_dict() for finding in self.findings]
        return {"epoch": self.epoch, "verdict": self.verdict, "findings": findings, "layers": layers}


class GradientFlow(Displayed):
    """A callback that measures the gradient flow as `diagnose` does, records it, and warns once of each fault.

    Parameters
    ----------
    every : int, optional
        Epochs from one measurement to the next.  If not given, it measures whenever the time spent on it, with what the
        next measurement will take, stays within `share` of the run's time; and after the last epoch if there was no
        time before.
    share : float, default 0.02
        Share of the run's time, in [0, 1], that measuring may take.
    rows : int, default 64
        Examples that it looks at, the first of the data.
    warn : bool, default True
        Whether to log each verdict other than healthy to "backlit", once.

    Attributes
    ----------
    records : list of FlowRecord
        What was measured, oldest first; a training that begins anew begins them anew.
    verdict : str or None
        The last verdict, None before the first.

    Notes
    -----
    A copy or pickle holds the records and none of the data; scikit-learn's `clone` gives one without records.

    Examples
    --------
    >>> from backlit.core import Dense, Network
    >>> from backlit.training import Settings, fit
    >>> X = np.random.default_rng(0).standard_normal((64, 8))
    >>> net, flow = Network(8, [Dense(8, "tanh")] * 3 + [Dense(1)]), GradientFlow(warn=False)
    >>> outcome = fit(net, net.init(seed=0), Data(X, X[:, :1]), Settings(epochs=9, patience=None), callbacks=[flow])
    >>> flow.records[-1].epoch <= 9, flow.verdict, len(flow.records[0].flow.layers) - 1
    (True, 'healthy', 4)
    """

    def __repr__(self) -> str:
        return f"GradientFlow(every={self.every}, share={self.share:g}, rows={self.rows}, warn={self.warn})"

    def __init__(self, *, every: int | None = None, share: float = 0.02, rows: int = 64, warn: bool = True):
        self.every = None if every is None else positive_integer(every, "every")
        self.share = finite_number(share, "share", low=0.0, high=1.0)
        self.rows, self.warn = positive_integer(rows, "rows"), warn
        self.sample: Data | None = None
        self.sample_of: weakref.ref[Data | Stream] | None = None  # the data belong to the training
        self.forget()

    def forget(self) -> None:
        """Begin anew, without records."""
        self.records: list[FlowRecord] = []
        self.warned: set[str] = set()
        self.spent = 0.0
        self.seen, self.elapsed = 0, 0.0  # epochs, and their seconds

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "sample": None, "sample_of": None}

    def __sklearn_clone__(self) -> "GradientFlow":
        return GradientFlow(every=self.every, share=self.share, rows=self.rows, warn=self.warn)

    def __call__(self, run: Run) -> None:
        """Measure, if it is time to."""
        if len(run.history) <= self.seen:  # another training's
            self.forget()
        self.elapsed += sum(epoch.seconds for epoch in run.history.epochs[self.seen :])
        self.seen = len(run.history)
        if self.is_due(run):
            started = time.perf_counter()
            record = self.measure(run, started)
            self.spent += time.perf_counter() - started
            self.records.append(record)
            self.tell(record)

    @property
    def verdict(self) -> str | None:
        """The last verdict."""
        return self.records[-1].verdict if self.records else None

    def is_due(self, run: Run) -> bool:
        """Whether this epoch is one to measure after: the next measurement is taken to last as the longest one did."""
        if self.every is not None:
            return not self.records or len(run.history) - self.records[-1].epoch >= self.every
        if not self.records and len(run.history) >= run.settings.epochs:
            return True
        coming = max((record.seconds for record in self.records), default=self.guess(run))
        return self.spent + coming <= self.share * self.elapsed

    def guess(self, run: Run) -> float:
        """The seconds that a first measurement will take: an overhead a layer, and a pass, by the epoch's own speed."""
        rows, trained = min(self.rows, len(run.data)), len(run.data)
        return LAYER_SECONDS * run.net.L + PASS * run.history.epochs[-1].seconds * rows / trained

    def measure(self, run: Run, started: float) -> FlowRecord:
        """One pass of the textbook's on the first rows, in float64, so that what float32 loses is still seen."""
        net = run.net
        data = run.data.each[0].source if isinstance(run.data, Shards) else run.data
        if self.sample is None or self.sample_of is None or self.sample_of() is not data:
            self.sample, self.sample_of = first_rows(data, self.rows), weakref.ref(data)
        sample = self.sample
        params = Parameters(net, run.state.params.theta.astype(np.float64))
        weight = sample.sample_weight
        weight = weight if weight is None or weight.any() else None  # none of these rows counts: look at all alike
        with np.errstate(all="ignore"):
            trace = forward(net, params, sample.X, dropout=DropoutKey(run.settings.seed, run.state.step))
            grad = backward(net, params, trace, sample.Y, weight)
            flow = measure_flow(net, params, trace, grad)
        regime = regime_of(flow)
        findings = [*evidence(flow, regime), *units(flow)]
        return FlowRecord(len(run.history), flow, VERDICTS[regime], findings, time.perf_counter() - started)

    def tell(self, record: FlowRecord) -> None:
        """Log a verdict that is new and not healthy."""
        if self.warn and record.verdict != "healthy" and record.verdict not in self.warned:
            self.warned.add(record.verdict)
            said = "; ".join(finding.message for finding in record.findings)
            logging.getLogger("backlit").warning("epoch %d: gradients are %s: %s", record.epoch, record.verdict, said)

    def to_dict(self) -> dict[str, Any]:
        """All records in plain names and numbers."""
        return {"records": [record.to_dict() for record in self.records]}


def first_rows(data: Data | Stream, n: int) -> Data:
    """The first n examples, dense; of a stream, of its first buffer."""
    if not isinstance(data, Data):
        buffers = len(data.sizes(0, 1, False))
        data = next(data.loads(0, 1, False, 0, [0] * buffers))
    return data.rows(np.arange(min(n, len(data))))
