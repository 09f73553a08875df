"""A plot's legend leaves its lines to be seen."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from backlit.render import pages


@pytest.mark.parametrize("rising", [True, False])
def test_the_legend_lies_on_no_line(rising, monkeypatch):
    found = []

    def look(draw, title):
        figure, axes = plt.subplots(figsize=(6, 4))
        draw(axes)
        figure.canvas.draw()
        box = axes.get_legend().get_window_extent()
        for line in axes.get_lines():
            points = axes.transData.transform(line.get_xydata())
            found.append(sum(box.contains(x, y) for x, y in points))
        plt.close(figure)
        return ""

    monkeypatch.setattr(pages, "svg", look)
    values = 1 - np.exp(-np.arange(100) / 5) if rising else np.exp(-np.arange(100) / 5)
    pages.curves({"layer 1": values, "layer 2": values / 10 + 0.01}, "lines", ylabel="length")
    assert found == [0, 0]
