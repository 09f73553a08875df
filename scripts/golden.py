"""Record the golden files of tests/golden anew, and print item by item what changed.

`python scripts/golden.py [fits] [outputs] [files] [names]`: those alone; all of them unless told.  Files are added,
never replaced: a file of an earlier version stays as that version wrote it.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for `tests`

from tests.golden.files import OPERATORS, items, write_missing
from tests.golden.files import lacking as file_lacks
from tests.golden.fits import FITS, missing
from tests.golden.machine import everything, one_thread
from tests.golden.names import PATH, names, recorded
from tests.golden.outputs import OUTPUTS, lacking, tolerance
from tests.golden.store import FOLDER, ArrayStore, Store, TextStore


def fits() -> Iterator[tuple[str, str]]:
    """Record each fit that this machine can make: (item, what happened)."""
    store = ArrayStore(FOLDER, "fits")
    yield from forgotten(store, set(FITS))
    for item, fit in FITS.items():
        reason = missing(fit.native)
        yield item, f"left as it is: {reason}" if reason else store.record(item, fit.run(), fit.machine())
    store.write()


def outputs() -> Iterator[tuple[str, str]]:
    """Record each output."""
    store = TextStore(FOLDER, "outputs", tolerance)
    yield from forgotten(store, set(OUTPUTS))
    for item, make in OUTPUTS.items():
        reason = lacking(item)
        yield item, f"left as it is: {reason}" if reason else store.record(item, make(), everything())
    store.write()


def files() -> Iterator[tuple[str, str]]:
    """Write the files that this version has not written yet, and record what is seen of each file.

    What is seen of an old file may get other bits, where training did.  Where it is not close to what it was, it is
    not recorded; a file that is written now may be made of other operators, if what they give is close.
    """
    store = ArrayStore(FOLDER, "files")
    for name in write_missing():
        yield name, "written"
    yield from forgotten(store, set(items()))
    for item, (path, open_it, needs) in items().items():
        if reason := file_lacks(needs):
            yield item, f"left as it is: {reason}"
            continue
        value = open_it(path)
        known = store.of(item) if item in store.known else {}
        as_before = {name: known[name] for name in (OPERATORS,) if name in known}
        far = known and store.differences(item, {**value, **as_before}, exact=False)
        yield item, f"NOT CLOSE, left as it was:\n{far}" if far else store.record(item, value, everything())
    store.write()


def public_names() -> Iterator[tuple[str, str]]:
    """Record the public names."""
    before, now = recorded(), list(names())
    yield from ((line, "CHANGED: lost, or with another default") for line in before if line not in now)
    yield from ((line, "same" if line in before else "new") for line in now)
    PATH.write_text("\n".join(now) + "\n", encoding="utf-8")


def forgotten(store: Store, known: set[str]) -> Iterator[tuple[str, str]]:
    """Forget what is made no more."""
    for item in sorted(store.known - known):
        store.drop(item)
        yield item, "gone"


def main() -> None:
    """Record, and say what happened."""
    kinds = {"fits": fits, "outputs": outputs, "files": files, "names": public_names}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", choices=[*kinds, []], default=[])
    chosen = parser.parse_args().kinds or kinds
    with one_thread():
        for kind in chosen:
            counts: Counter[str] = Counter()
            for item, what in kinds[kind]():
                counts[what.partition(":")[0]] += 1
                if what != "same":
                    print(f"{kind}: {item}: {what}")
            print(f"{kind}: " + ", ".join(f"{number} {word}" for word, number in counts.items()))


if __name__ == "__main__":
    main()
