# Cross-compiles for ARMv7 hard-float with Debian's compiler against a sysroot (toolchains/sysroot armhf).
# WEIR_SYSROOT names another place than build/sysroot-armhf; the environment's variable is taken, too.
set(WEIR_TRIPLET arm-linux-gnueabihf)
set(WEIR_SYSROOT_DEFAULT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot-armhf)
set(WEIR_QEMU qemu-arm)
set(CMAKE_SYSTEM_PROCESSOR armv7)
include(${CMAKE_CURRENT_LIST_DIR}/debian_cross.cmake)
