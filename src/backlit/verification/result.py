"""What a check found: the verdict, each quantity, the first wrong one, and the bugs that explain it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from backlit.display import Displayed
from backlit.verification.agreement import Agreement
from backlit.verification.catalogue import Bug
from backlit.verification.comparison import Compared
from backlit.verification.invariants import Fact


@dataclass(frozen=True)
class Diagnosis:
    """What explains the claims: one bug, or two, and all that give the same numbers.

    bugs : the rows, best first.  layers : where each was made.  residual : the largest relative difference left.
    equivalent : names (pairs as "a + b") of other bugs with the same numbers.  note : fitted numbers, an example.
    """

    bugs: tuple[Bug, ...]
    layers: tuple[tuple[int, ...], ...]
    residual: float
    equivalent: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """The bug's name, or both names with a plus."""
        return " + ".join(bug.name for bug in self.bugs)

    @property
    def kind(self) -> str:
        """ "convention" where nothing is wrong but a definition, else "bug"."""
        return "convention" if all(bug.kind == "convention" for bug in self.bugs) else "bug"


@dataclass(frozen=True)
class Search:
    """The diagnoses, and how far the search went."""

    diagnoses: tuple[Diagnosis, ...] = ()
    notes: tuple[str, ...] = field(default=())


Verdict = Literal["pass", "fail", "unresolved"]


@dataclass(frozen=True)
class CheckResult(Displayed):
    """What `check` found.

    Parameters
    ----------
    verdict : {"pass", "fail", "unresolved"}
        "unresolved" if the oracles disagree or the claims have too few digits; `notes` say why.
    tolerance : float
        Relative, as the digits of the claims allow.
    quantities : mapping of str to Compared
        Each claimed quantity's errors by name, in the order of computation.
    first_wrong : str or None
        Name of the first wrong quantity.
    diagnoses : tuple of Diagnosis
        Mistakes that explain the numbers, best first; empty if the catalogue has none that does.
    not_detectable : mapping of str to str
        Mistakes that these claims and inputs cannot reveal, each with the inputs that would.
    oracles : Agreement
        How the right values were agreed on.
    notes : tuple of str, default ()
        What must be said with the verdict.
    facts : tuple of Fact, default ()
        Facts that hold for every right gradient, and whether they do here.
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
        """0 for pass, 1 otherwise."""
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

    def __repr__(self) -> str:
        said = f"{len(self.quantities)} quantities are right" if self.ok else f"first wrong is {self.first_wrong}"
        named = f", explained by {self.diagnoses[0].name}" if self.diagnoses else ""
        return f"<CheckResult {self.verdict}: {said}{named}>"


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
