"""What an identification gives: the bugs that explain the claims, and what the search has to say."""

from dataclasses import dataclass, field

from backlit.verification.catalogue import Bug


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
