# Paho MQTT C from source, linked statically and without call and heap tracing (its PAHO_HIGH_PERFORMANCE), in place of the
# distribution's library, beneath the distribution's Paho C++. Included by packages.cmake if WEIR_PAHO_SOURCE says so:
#   crate    the sources in the Rust crate paho-mqtt-sys, which is the Paho project's own; cargo gets it from whatever
#            registry it is configured for, and it is taken by version and checksum
#   PATH     a folder or an archive with Paho's sources (the folder that holds src/MQTTAsync.c)
# Says what is missing and goes on with the distribution's library; makes the target weir_paho_c otherwise.
include(FetchContent)

set(WEIR_PAHO_CRATE paho-mqtt-sys)
set(WEIR_PAHO_CRATE_VERSION 0.9.0)  # with Paho C 1.3.13
set(WEIR_PAHO_CRATE_SHA256 5e482419d847af4ec43c07eed70f5f94f87dc712d267aecc91ab940944ab6bf4)

# Where cargo keeps the crate's archive, in `result`; empty if it cannot be had.
function(weir_fetch_crate result)
  set(home $ENV{CARGO_HOME})
  if(NOT home)
    set(home $ENV{HOME}/.cargo)
  endif()
  set(archive ${WEIR_PAHO_CRATE}-${WEIR_PAHO_CRATE_VERSION}.crate)
  file(GLOB found ${home}/registry/cache/*/${archive})
  find_program(CARGO cargo)
  if(NOT found AND CARGO)
    set(project ${CMAKE_BINARY_DIR}/paho-crate)
    file(WRITE ${project}/Cargo.toml
      "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\n[lib]\npath = \"none.rs\"\n"
      "[dependencies]\n${WEIR_PAHO_CRATE} = { version = \"=${WEIR_PAHO_CRATE_VERSION}\", default-features = false }\n")
    file(WRITE ${project}/none.rs "")
    execute_process(COMMAND ${CARGO} fetch --quiet WORKING_DIRECTORY ${project} RESULT_VARIABLE failed ERROR_VARIABLE why)
    if(failed)
      message(STATUS "paho: cargo cannot fetch the crate: ${why}")
    endif()
    file(GLOB found ${home}/registry/cache/*/${archive})
  endif()
  list(LENGTH found count)
  if(count GREATER 0)
    list(GET found 0 found)
  endif()
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

set(source ${WEIR_PAHO_SOURCE})
if(source STREQUAL "crate")
  weir_fetch_crate(archive)
  set(source)
  if(archive)
    file(COPY_FILE ${archive} ${CMAKE_BINARY_DIR}/${WEIR_PAHO_CRATE}.tar.gz ONLY_IF_DIFFERENT)  # the name says how to unpack it
    FetchContent_Declare(paho_source URL file://${CMAKE_BINARY_DIR}/${WEIR_PAHO_CRATE}.tar.gz URL_HASH SHA256=${WEIR_PAHO_CRATE_SHA256}
      DOWNLOAD_EXTRACT_TIMESTAMP OFF SOURCE_SUBDIR none)
    FetchContent_MakeAvailable(paho_source)
    set(source ${paho_source_SOURCE_DIR}/paho.mqtt.c)
  endif()
elseif(EXISTS ${source} AND NOT IS_DIRECTORY ${source})
  FetchContent_Declare(paho_source URL file://${source} DOWNLOAD_EXTRACT_TIMESTAMP OFF SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(paho_source)
  set(source ${paho_source_SOURCE_DIR})
endif()

if(NOT EXISTS ${source}/src/MQTTAsync.c OR NOT TARGET weir::openssl)
  message(WARNING "WEIR_PAHO_SOURCE=${WEIR_PAHO_SOURCE}: no sources of Paho C (or no OpenSSL); the distribution's library is used")
  return()
endif()

foreach(part major minor patch)
  file(READ ${source}/version.${part} version_${part})
endforeach()
string(JOIN . CLIENT_VERSION ${version_major} ${version_minor} ${version_patch})
set(BUILD_TIMESTAMP "")  # the same sources give the same library
configure_file(${source}/src/VersionInfo.h.in ${CMAKE_BINARY_DIR}/paho/VersionInfo.h @ONLY)

set(parts MQTTAsync MQTTAsyncUtils SSLSocket MQTTTime MQTTProtocolClient Clients utf-8 MQTTPacket MQTTPacketOut Messages Tree
  Socket Log MQTTPersistence Thread MQTTProtocolOut MQTTPersistenceDefault SocketBuffer LinkedList MQTTProperties
  MQTTReasonCodes Base64 SHA1 WebSocket)
if(EXISTS ${source}/src/Proxy.c)  # from 1.3.13 on
  list(APPEND parts Proxy)
endif()
list(TRANSFORM parts PREPEND ${source}/src/)
list(TRANSFORM parts APPEND .c)
add_library(weir_paho_c STATIC ${parts} ${CMAKE_CURRENT_LIST_DIR}/paho_start.c)
# Its functions are called by the shared Paho C++ library, so they are exported, and only they.
target_compile_definitions(weir_paho_c PRIVATE HIGH_PERFORMANCE=1 OPENSSL=1 PAHO_MQTT_EXPORTS=1 _GNU_SOURCE)
target_compile_options(weir_paho_c PRIVATE -fvisibility=hidden -w)
target_include_directories(weir_paho_c PRIVATE ${CMAKE_BINARY_DIR}/paho)
target_link_libraries(weir_paho_c PUBLIC weir::openssl ${CMAKE_DL_LIBS})
target_link_options(weir_paho_c INTERFACE LINKER:--undefined=weir_paho_start)
message(STATUS "paho: C library ${CLIENT_VERSION} from source, static")
