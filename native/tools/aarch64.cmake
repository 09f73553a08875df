# CMake toolchain: the engine for 64-bit ARM, cross-compiled.  AARCH64_ROOT is a folder that holds an ARM system's
# /usr with Python and its headers; on a processor of another kind, qemu-aarch64 runs that Python (make test-aarch64).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AARCH64_ROOT)

file(GLOB Python_INCLUDE_DIR ${AARCH64_ROOT}/usr/include/python3*)
set(CMAKE_CXX_FLAGS_INIT "-isystem ${AARCH64_ROOT}/usr/include")  # where Debian's pyconfig.h looks for the real one
