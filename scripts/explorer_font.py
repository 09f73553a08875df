"""Cut STIX Two Math down to what formulas of Backlit use, its MATH table kept: explorer/math.woff2 (needs fonttools).

    python scripts/explorer_font.py FONT.woff2

The font comes with `npm install` in web/ (@fontsource/stix-two-math, SIL Open Font License 1.1).
"""

import sys
from pathlib import Path

OUT = Path(__file__).parent.parent / "src/backlit/render/explorer/math.woff2"
LATIN = "".join(map(chr, range(0x20, 0x7F)))
GREEK = "αβγδεζηθλμνξπρσςτφϕχψωΓΔΘΛΞΠΣΦΨΩ"
SIGNS = "·×−±÷=≈≠≤≥<>←→∂∇∑∏√∞∈⊙⊤′″ℓ⋯…‖|¯^ˉ̂()[]{}⟨⟩⌊⌋⌈⌉₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵀ\u2061\u2062"
ITALIC = "".join(map(chr, [*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6E2, 0x1D71C)]))


def main(source: str) -> int:
    """Write the subset; the same bytes each time."""
    from fontTools import subset

    features = ["ssty", "dtls", "flac"]  # of scripts, dotless letters and flat accents
    options = subset.Options(flavor="woff2", layout_features=features, drop_tables=["GPOS"], hinting=False)
    options.notdef_outline, options.recalc_timestamp, options.name_IDs = True, False, [0, 1, 2, 13, 14]
    font = subset.load_font(source, options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=LATIN + GREEK + SIGNS + ITALIC + "𝟏")
    cutter.subset(font)
    subset.save_font(font, str(OUT), options)
    print(f"{OUT.name}: {OUT.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
