"""How the pages' colors look to color-blind readers: which of those that carry meaning can still be told apart.

    python scripts/color_blindness.py

Each palette is seen through Machado, Oliveira & Fernandes 2009 (protanopia, deuteranopia, tritanopia; linear RGB).
Checked for each kind, in light and dark: text keeps 4.5 to 1 on paper and panel, marks keep 3 to 1, and colors that
stand beside one another differ by NEAR or more in CIELAB, any two by ANY.
"""

import re
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
PAGES = ("web/src/style.css", "src/backlit/render/templates/base.html.j2")
KINDS = {
    "all colors": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TEXT = ("ink", "soft", "accent", "series-1", "series-2", "series-4")  # forward is 1, backward 2, update 4
MARKS = ("series-1", "series-2", "series-3", "series-4", "series-5", "series-6")
BESIDE = (("series-1", "series-2"), ("series-1", "series-4"), ("series-2", "series-4"), ("series-1", "series-3"),
          ("series-2", "series-3"))  # fmt: skip
NEAR, ANY = 10.0, 5.0  # ΔE of those and of any two marks; 2.3 can just be seen, and signs have a dash or a shape too


def palettes(text: str) -> Iterator[dict[str, str]]:
    """The named colors of each block of a style sheet that has a paper and series."""
    for block in re.findall(r"\{([^{}]*--paper:[^{}]*)\}", text):
        found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        if "series-4" in found:
            yield found


def linear(color: str) -> np.ndarray:
    """#rrggbb as linear RGB."""
    c = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(a: np.ndarray, b: np.ndarray) -> float:
    """WCAG's contrast of two linear colors."""
    dark, light = sorted(float(c @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (a, b))
    return light / dark


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """ΔE of 1976 in CIELAB, D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    lab = []
    for c in (a, b):
        t = to_xyz @ c / [0.9505, 1.0, 1.089]
        f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
        lab.append([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
    return float(np.linalg.norm(np.subtract(*lab)))


def faults(palette: dict[str, str]) -> list[str]:
    """What a kind of reader cannot tell apart or read."""
    found = []
    for kind, matrix in KINDS.items():
        seen = {name: np.clip(np.asarray(matrix) @ linear(color), 0, 1) for name, color in palette.items()}
        for names, least in ((TEXT, 4.5), (MARKS, 3.0)):
            for name in names:
                for ground in ("paper", "panel"):
                    if (ratio := contrast(seen[name], seen[ground])) < least:
                        found.append(f"{kind}: {name} {palette[name]} has {ratio:.2f} to 1 on {ground}, not {least}")
        for a, b in combinations(MARKS, 2):
            if (gap := difference(seen[a], seen[b])) < (NEAR if (a, b) in BESIDE else ANY):
                found.append(f"{kind}: {a} {palette[a]} and {b} {palette[b]} differ by ΔE {gap:.1f}")
    return found


def main() -> int:
    """Check each palette of the explorer and of the pages, and print the nearest pair of each kind."""
    wrong = 0
    for page in PAGES:
        for palette in palettes((ROOT / page).read_text(encoding="utf-8")):
            found = faults(palette)
            wrong += len(found)
            print(f"{page}, paper {palette['paper']}: {len(found)} faults")
            print("".join(f"  {fault}\n" for fault in found), end="")
            for kind, matrix in KINDS.items():
                seen = {n: np.clip(np.asarray(matrix) @ linear(palette[n]), 0, 1) for n in MARKS}
                gap, a, b = min((difference(seen[a], seen[b]), a, b) for a, b in combinations(MARKS, 2))
                print(f"  {kind}: nearest of all are {a} and {b}, ΔE {gap:.1f}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
