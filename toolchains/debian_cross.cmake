# What arm64.cmake and armhf.cmake share.
set(CMAKE_SYSTEM_NAME Linux)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WEIR_SYSROOT)

if(NOT WEIR_SYSROOT)
  set(WEIR_SYSROOT "$ENV{WEIR_SYSROOT}")
  if(NOT WEIR_SYSROOT)
    set(WEIR_SYSROOT ${WEIR_SYSROOT_DEFAULT})
  endif()
endif()
get_filename_component(WEIR_SYSROOT ${WEIR_SYSROOT} ABSOLUTE)
set(WEIR_SYSROOT ${WEIR_SYSROOT} CACHE PATH "Where toolchains/sysroot unpacked the target's packages")
if(NOT EXISTS ${WEIR_SYSROOT}/usr/include)
  message(FATAL_ERROR "There is no sysroot in ${WEIR_SYSROOT}; toolchains/sysroot makes one")
endif()

set(CMAKE_C_COMPILER ${WEIR_TRIPLET}-gcc)
set(CMAKE_CXX_COMPILER ${WEIR_TRIPLET}-g++)
set(CMAKE_SYSROOT ${WEIR_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE ${WEIR_TRIPLET})

# Headers and libraries are the sysroot's, programs (code generators) this machine's.
set(CMAKE_FIND_ROOT_PATH ${WEIR_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Libraries that libraries need are found in the sysroot, not on this machine.
set(CMAKE_EXE_LINKER_FLAGS_INIT "")
foreach(folder lib usr/lib)
  string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,-rpath-link,${WEIR_SYSROOT}/${folder}/${WEIR_TRIPLET}")
endforeach()

# Tests run under qemu-user, with the sysroot's loader and libraries.
find_program(WEIR_EMULATOR ${WEIR_QEMU})
if(WEIR_EMULATOR)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${WEIR_EMULATOR} -L ${WEIR_SYSROOT})
endif()
