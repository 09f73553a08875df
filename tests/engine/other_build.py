"""Another build of the compiled module, which BACKLIT_NATIVE names: `make sanitize` makes such builds."""

import importlib.util
import os
import sys

if "BACKLIT_NATIVE" in os.environ and "backlit._native" not in sys.modules:
    found = importlib.util.spec_from_file_location("backlit._native", os.environ["BACKLIT_NATIVE"])
    sys.modules["backlit._native"] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules["backlit._native"])
