# Targets of the native engine; the Makefile includes this file.  PYTHON may be set; it must have the build requirements.
PYTHON ?= python3
BENCH := build/bench
ENGINE_TESTS := $(addprefix tests/engine/test_,functions.py native.py training.py safety.py fusing.py checkpointing.py bits.py)
AARCH64_ROOT ?= build/aarch64-root

.PHONY: bench sanitize sanitize-address sanitize-thread sanitize-undefined test-aarch64

bench: $(BENCH)/ready
	$(BENCH)/bin/python -m benchmarks.run
	$(BENCH)/bin/python -m benchmarks.fashion
	$(BENCH)/bin/python -m benchmarks.sweep

$(BENCH)/ready: pyproject.toml $(wildcard native/src/*) $(wildcard src/backlit/engine/*)
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet torch==2.13.0 "jax>=0.10" .
	touch $@

# The engine built with a sanitizer, under the tests that run it and under wrong calls; leaks are Python's own, so they are not looked for.
sanitize: sanitize-address sanitize-thread sanitize-undefined

SANITIZED_CALLS ?= 10000
sanitize-address: SANITIZER_OPTIONS = ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=64
sanitize-thread: SANITIZER_OPTIONS = TSAN_OPTIONS="exitcode=66 halt_on_error=0"
sanitize-undefined: SANITIZER_OPTIONS = UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
sanitize-address: SANITIZER_LIBRARY = libasan.so
sanitize-thread: SANITIZER_LIBRARY = libtsan.so
sanitize-undefined: SANITIZER_LIBRARY = libubsan.so
sanitize-address sanitize-thread sanitize-undefined: sanitize-%:
	cmake -S native -B build/$* -G Ninja -DBACKLIT_SANITIZE=$* -DPython_EXECUTABLE=$$($(PYTHON) -c "import sys; print(sys.executable)") \
	  -Dnanobind_DIR=$$($(PYTHON) -m nanobind --cmake_dir)
	cmake --build build/$*
	export $(SANITIZER_OPTIONS) BACKLIT_NATIVE=$$(ls build/$*/_native*.so) OPENBLAS_NUM_THREADS=1 \
	  LD_PRELOAD="$$($(CXX) -print-file-name=$(SANITIZER_LIBRARY)) $$($(CXX) -print-file-name=libstdc++.so.6)"; \
	  $(PYTHON) -m pytest -q -p no:cacheprovider --capture=sys $(ENGINE_TESTS) -k "not test_memory and not ctrl_c" && \
	  $(PYTHON) scripts/native_calls.py $(SANITIZED_CALLS)

# The engine for 64-bit ARM under its tests, on any Linux with qemu-aarch64 and aarch64-linux-gnu-g++.  AARCH64_ROOT holds
# what an ARM system has: usr/ with python3.x, its headers and libraries (Debian's arm64 packages, unpacked by dpkg -x), and
# site/ with NumPy, SciPy, pytest and Hypothesis (pip install --target … --platform manylinux_2_28_aarch64 --only-binary=:all:).
test-aarch64:
	cmake -S native -B build/aarch64 -G Ninja -DCMAKE_TOOLCHAIN_FILE=tools/aarch64.cmake -DAARCH64_ROOT=$(abspath $(AARCH64_ROOT)) \
	  -DPython_EXECUTABLE=$$($(PYTHON) -c "import sys; print(sys.executable)") -Dnanobind_DIR=$$($(PYTHON) -m nanobind --cmake_dir)
	cmake --build build/aarch64
	BACKLIT_NATIVE=$$(ls build/aarch64/_native*.so) OPENBLAS_NUM_THREADS=1 PYTHONPATH=$(AARCH64_ROOT)/site:src \
	  qemu-aarch64 -L $(AARCH64_ROOT) $(firstword $(wildcard $(AARCH64_ROOT)/usr/bin/python3*)) -m pytest -q -p no:cacheprovider $(ENGINE_TESTS)
