# Cross-compiles for 64-bit ARM with Debian's compiler against a sysroot (toolchains/sysroot arm64).
# WEIR_SYSROOT names another place than build/sysroot-arm64; the environment's variable is taken, too.
set(WEIR_TRIPLET aarch64-linux-gnu)
set(WEIR_SYSROOT_DEFAULT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-arm64)
set(WEIR_QEMU qemu-aarch64)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
include(${CMAKE_CURRENT_LIST_DIR}/debian_cross.cmake)
