# SPDX-License-Identifier: Apache-2.0
# System packages, looked for together so that one error names all that are missing.
# GLOBAL: a project that adds this one as a subdirectory links ipc0cp::json too.
set(missing_packages "")
set(IPC0CP_NLOHMANN_VERSION 3.11)
find_package(nlohmann_json ${IPC0CP_NLOHMANN_VERSION} QUIET GLOBAL)
if(NOT nlohmann_json_FOUND)
  list(APPEND missing_packages nlohmann-json3-dev)
endif()
if(IPC0CP_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    list(APPEND missing_packages libgtest-dev)
  endif()
endif()
if(missing_packages)
  list(JOIN missing_packages " " missing_packages)
  message(FATAL_ERROR "ipc0cp: missing system packages: ${missing_packages}\n"
    "On Debian and Ubuntu: apt-get install ${missing_packages}")
endif()
