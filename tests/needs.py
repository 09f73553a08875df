"""Marks for tests of what is not on every machine; an optional package is asked for with `pytest.importorskip`."""

import shutil

import pytest

from backlit.engine.native import extension

needs_native = pytest.mark.skipif(extension() is None, reason="the native engine was not built")
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
