# SPDX-License-Identifier: Apache-2.0
# Stops where the shared-memory layout could not work: it relies on Linux, 64 bits, little-endian.
# The system is checked before the compiler, which another system may not even have.
set(unsupported "")
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  set(unsupported "this system is ${CMAKE_SYSTEM_NAME}")
else()
  enable_language(CXX)
  if(NOT CMAKE_SIZEOF_VOID_P EQUAL 8)
    set(unsupported "this compiler makes 32-bit programs")
  elseif(NOT CMAKE_CXX_BYTE_ORDER STREQUAL "LITTLE_ENDIAN")
    set(unsupported "this machine is big-endian")
  endif()
endif()
if(unsupported)
  message(FATAL_ERROR "ipc0cp needs 64-bit little-endian Linux, but ${unsupported}.")
endif()
