# SPDX-License-Identifier: Apache-2.0
# For 64-bit ARM, with Debian's cross compiler and libraries (`:arm64` packages):
#   cmake -G Ninja -S . -B build-arm64 -DCMAKE_TOOLCHAIN_FILE=deploy/cross/aarch64.cmake -DVSPLIT_TESTS=OFF
# scripts/cross makes a root that has them, and builds there.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_STRIP aarch64-linux-gnu-strip)
# The manual pages are what the programs say of themselves.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
# Libraries for ARM alone; headers without an architecture, and programs, are this machine's.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64)
