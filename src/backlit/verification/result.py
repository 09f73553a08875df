"""What a check found: the verdict, each quantity, the first wrong one, and what explains it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backlit.verification.agreement import Agreement
from backlit.verification.comparison import Compared
from backlit.verification.diagnosis import Diagnosis
from backlit.verification.facts import Fact
from backlit.verification.shown import Shown

Verdict = Literal["pass", "fail", "unresolved"]


@dataclass(frozen=True)
class CheckResult(Shown):
    """The outcome of `check`.

    verdict : "pass", "fail", or "unresolved" where the oracles disagree or the claims have too few digits; `notes` say
    why.  tolerance : relative, as the claims' digits allow.  quantities : by name, in the order of computation.
    diagnoses : best first, empty where the mistake is none of the catalogue's.  not_detectable : {bug: on which inputs
    it would show} for those that these claims and inputs can't reveal.  oracles : how the right values were agreed on.
    facts : what must hold whatever the numbers are.
    """

    verdict: Verdict
    tolerance: float
    quantities: Mapping[str, Compared]
    first_wrong: str | None
    diagnoses: tuple[Diagnosis, ...]
    not_detectable: Mapping[str, str]
    oracles: Agreement
    notes: tuple[str, ...] = field(default=())
    facts: tuple[Fact, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether all claims are right."""
        return self.verdict == "pass"

    @property
    def exit_code(self) -> int:
        """0 for pass, 1 else."""
        return 0 if self.ok else 1

    def to_dict(self) -> dict[str, Any]:
        """The result in plain values, as `backlit check --format json` prints it."""
        return {
            "verdict": self.verdict,
            "tolerance": self.tolerance,
            "quantities": {name: quantity(one) for name, one in self.quantities.items()},
            "first_wrong": self.first_wrong,
            "diagnoses": [diagnosis(one) for one in self.diagnoses],
            "not_detectable": list(self.not_detectable),
            "not_detectable_needs": dict(self.not_detectable),
            "oracles": self.oracles.to_dict(),
            "notes": list(self.notes),
            "facts": [fact.to_dict() for fact in self.facts],
        }

    def __str__(self) -> str:
        if self.ok:
            return f"pass: {len(self.quantities)} quantities are right"
        named = f", explained by {self.diagnoses[0].name}" if self.diagnoses else ""
        return f"{self.verdict}: first wrong is {self.first_wrong}{named}" if self.first_wrong else self.verdict


def quantity(one: Compared) -> dict[str, Any]:
    """One compared quantity in plain values."""
    return {
        "max_relative_error": one.max_relative_error,
        "ok": one.ok,
        "wrong_entries": one.wrong_entries,
        "entries": one.entries,
        "worst": {"index": list(one.worst.index), "claimed": one.worst.claimed, "right": one.worst.right},
        "at_kink": one.at_kink,
    }


def diagnosis(one: Diagnosis) -> dict[str, Any]:
    """One diagnosis in plain values; a pair's layers are those of both."""
    return {
        "bug": one.name,
        "kind": one.kind,
        "layers": sorted({l for layers in one.layers for l in layers}),
        "residual": one.residual,
        "equivalent": list(one.equivalent),
        "explanation": " ".join(bug.words for bug in one.bugs) + (f" ({one.note})" if one.note else ""),
        "fix": " ".join(bug.fix for bug in one.bugs),
        "wrong": [bug.wrong for bug in one.bugs],
        "right": [bug.right for bug in one.bugs],
        "equations": [bug.equation for bug in one.bugs],
    }
