# Targets of the native engine; the Makefile includes this file.  PYTHON may be set; it must have the build requirements.
PYTHON ?= python3
BENCH := build/bench
SANITIZED_TESTS := tests/engine/test_native.py tests/engine/test_training.py tests/engine/test_safety.py tests/engine/test_fusing.py tests/engine/test_checkpointing.py -k "not memory and not ctrl_c"

.PHONY: bench sanitize sanitize-address sanitize-thread

bench: $(BENCH)/ready
	$(BENCH)/bin/python -m benchmarks.run
	$(BENCH)/bin/python -m benchmarks.fashion
	$(BENCH)/bin/python -m benchmarks.sweep

$(BENCH)/ready: pyproject.toml $(wildcard native/src/*) $(wildcard src/backlit/engine/*)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet torch==2.13.0 "jax>=0.10" .
	touch $@

# The engine built with a sanitizer, under the tests that run it; leaks are Python's own, so they are not looked for.
sanitize: sanitize-address sanitize-thread

sanitize-address: SANITIZER_OPTIONS = ASAN_OPTIONS=detect_leaks=0
sanitize-thread: SANITIZER_OPTIONS = TSAN_OPTIONS="exitcode=66 halt_on_error=0"
sanitize-address sanitize-thread: sanitize-%:
	cmake -S native -B build/$* -G Ninja -DBACKLIT_SANITIZE=$* -DPython_EXECUTABLE=$$($(PYTHON) -c "import sys; print(sys.executable)") \
	  -Dnanobind_DIR=$$($(PYTHON) -m nanobind --cmake_dir)
	cmake --build build/$*
	$(SANITIZER_OPTIONS) BACKLIT_NATIVE=$$(ls build/$*/_native*.so) OPENBLAS_NUM_THREADS=1 \
	  LD_PRELOAD="$$($(CXX) -print-file-name=lib$(if $(filter address,$*),asan,tsan).so) $$($(CXX) -print-file-name=libstdc++.so.6)" \
	  $(PYTHON) -m pytest -q -p no:cacheprovider $(SANITIZED_TESTS)
