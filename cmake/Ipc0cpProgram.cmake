# SPDX-License-Identifier: Apache-2.0
# Whether the program `ipc0cp` is built. Library and Python extension need a compiler only, so
# without what the program needs besides they are built without it, and say so.
set(default_of_program OFF)
if(PROJECT_IS_TOP_LEVEL AND IPC0CP_SANITIZE STREQUAL "")
  set(default_of_program AUTO)
endif()
set(IPC0CP_PROGRAM ${default_of_program} CACHE STRING
  "Build the program ipc0cp: ON, OFF, or AUTO: if CLI11 and nlohmann_json are there")
set(ipc0cp_builds_program OFF)
set(missing_of_program "")
if(IPC0CP_PROGRAM STREQUAL "OFF")
  return()
endif()

find_package(CLI11 2.1 QUIET CONFIG)
find_package(nlohmann_json 3.11 QUIET GLOBAL)
if(NOT CLI11_FOUND)
  list(APPEND missing_of_program libcli11-dev)
endif()
if(NOT nlohmann_json_FOUND)
  list(APPEND missing_of_program nlohmann-json3-dev)
endif()
list(JOIN missing_of_program " " missing_of_program)
if(missing_of_program STREQUAL "")
  set(ipc0cp_builds_program ON)
  add_subdirectory(cli)
elseif(IPC0CP_PROGRAM STREQUAL "AUTO")
  message(STATUS "ipc0cp: without ${missing_of_program} the program ipc0cp is not built")
else()
  message(FATAL_ERROR "ipc0cp: missing system packages of the program: ${missing_of_program}\n"
    "On Debian and Ubuntu: apt-get install ${missing_of_program}")
endif()
