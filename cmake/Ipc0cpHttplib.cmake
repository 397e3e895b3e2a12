# SPDX-License-Identifier: Apache-2.0
# cpp-httplib, which `ipc0cp serve` needs: the target ipc0cp_httplib, if it is there and can be
# used. Debian and Ubuntu have it as a library that knows TLS and compression, others as one header.
include(CheckCXXSourceCompiles)
find_path(IPC0CP_HTTPLIB_DIRECTORY httplib.h DOC "Where httplib.h is")
find_library(IPC0CP_HTTPLIB_LIBRARY NAMES cpp-httplib httplib DOC "cpp-httplib; none: header only")
mark_as_advanced(IPC0CP_HTTPLIB_DIRECTORY IPC0CP_HTTPLIB_LIBRARY)

set(httplib_libraries Threads::Threads)
set(httplib_definitions "")
if(IPC0CP_HTTPLIB_LIBRARY)
  list(APPEND httplib_libraries ${IPC0CP_HTTPLIB_LIBRARY})
  # Classes have other members without these, so they are part of its binary interface.
  set(httplib_definitions
    CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT CPPHTTPLIB_BROTLI_SUPPORT)
endif()
if(IPC0CP_HTTPLIB_DIRECTORY)
  set(CMAKE_REQUIRED_INCLUDES ${IPC0CP_HTTPLIB_DIRECTORY})
  set(CMAKE_REQUIRED_LIBRARIES ${httplib_libraries})
  list(TRANSFORM httplib_definitions PREPEND -D OUTPUT_VARIABLE CMAKE_REQUIRED_DEFINITIONS)
  set(CMAKE_REQUIRED_QUIET ON)
  check_cxx_source_compiles("#include <httplib.h>
    int main() { return httplib::Server().bind_to_any_port(\"127.0.0.1\") > 0 ? 0 : 1; }"
    IPC0CP_HTTPLIB_WORKS)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_LIBRARIES)
  unset(CMAKE_REQUIRED_DEFINITIONS)
  unset(CMAKE_REQUIRED_QUIET)
endif()
if(NOT IPC0CP_HTTPLIB_DIRECTORY OR NOT IPC0CP_HTTPLIB_WORKS)
  # Asked anew by the next configure, after the package was installed.
  unset(IPC0CP_HTTPLIB_WORKS CACHE)
  message(STATUS "ipc0cp: without libcpp-httplib-dev the program has no page (ipc0cp serve)")
  return()
endif()

add_library(ipc0cp_httplib INTERFACE)
target_include_directories(ipc0cp_httplib SYSTEM INTERFACE ${IPC0CP_HTTPLIB_DIRECTORY})
target_compile_definitions(ipc0cp_httplib INTERFACE ${httplib_definitions})
target_link_libraries(ipc0cp_httplib INTERFACE ${httplib_libraries})
