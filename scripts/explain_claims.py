"""Are the sentences of random documents so?  Each claim is computed anew from the printed JSON.

    python scripts/explain_claims.py [number of documents] [first seed]

Networks of all options and of numbers of any size (`tests/derivation/claim_facts.py`, which shares no line with the
claims).  Prints each false sentence with its seed, and how often each claim was stated and withheld; exit 1 if one is
false.
"""

import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `tests`

from tests.derivation.claim_facts import drawn_problem, false_sentences, kind_of, words_of

from backlit.errors import BacklitError
from backlit.render.explanation import explain


def main() -> int:
    """Print the tally."""
    number, first = (int(word) for word in (*sys.argv[1:], "10000", "0")[:2])
    stated, withheld = Counter[str](), Counter[str]()
    stopped = refused = false = 0
    for seed in range(first, first + number):
        problem = drawn_problem(seed)
        try:
            made = explain(problem)
        except BacklitError:  # a step may lead to outputs that the loss does not take
            refused += 1
            continue
        if made.derivation.stopped:
            stopped += 1
            continue
        wrong = false_sentences(made.derivation, json.loads(made.to_json()), words_of(made.derivation), problem, 1)
        false += len(wrong)
        for one in wrong:
            print(f"seed {seed}: {one}", flush=True)
        for name, holds in made.derivation.claims.items():
            (stated if holds else withheld)[kind_of(name)] += 1
        if sys.stderr.isatty():
            print(f"\r{seed - first + 1} documents", end="", file=sys.stderr, flush=True)
    left = f"{stopped} end at a number that is not finite, {refused} are refused"
    print(f"{number} documents ({left}), {false} false sentences")
    for kind in sorted(stated | withheld):
        print(f"  {kind}: stated {stated[kind]:,} times, withheld {withheld[kind]:,}")
    return 1 if false else 0


if __name__ == "__main__":
    sys.exit(main())
