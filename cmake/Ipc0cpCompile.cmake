# SPDX-License-Identifier: Apache-2.0
# How our own code is compiled. Nothing here reaches the users of the library.
get_property(is_multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(PROJECT_IS_TOP_LEVEL AND NOT is_multi_config AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(sanitizer_options "")
if(NOT IPC0CP_SANITIZE STREQUAL "")
  set(sanitizer_options -fsanitize=${IPC0CP_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  # ThreadSanitizer does not follow fences, and GCC warns of each. The fences here order atomics
  # among themselves; no plain data is handed over by them.
  list(APPEND sanitizer_options $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
endif()

# Language level, warnings, visibility and include directories of a target of this project.
function(ipc0cp_compile_options target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC ${ipc0cp_SOURCE_DIR}/include
    PRIVATE ${ipc0cp_SOURCE_DIR}/src)
  # GCC 12 reports -Wrestrict inside std::string's operator+ (its bug 105651).
  target_compile_options(${target} PRIVATE -Wall -Wextra
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
    $<$<BOOL:${IPC0CP_WERROR}>:-Werror> ${sanitizer_options})
  target_link_options(${target} PUBLIC ${sanitizer_options})
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON)
endfunction()

# One program of one source file, linked with the libraries named after it.
function(ipc0cp_add_program name source)
  add_executable(${name} ${source})
  ipc0cp_compile_options(${name})
  target_link_libraries(${name} PRIVATE ${ARGN})
endfunction()

# `make -j` starts everything at once; memory stays bounded because a program waits for the one
# that was added a few places before it.
function(ipc0cp_take_turn target)
  get_property(programs GLOBAL PROPERTY ipc0cp_programs)
  list(LENGTH programs count)
  if(count GREATER_EQUAL 4)
    math(EXPR predecessor_index "${count} - 4")
    list(GET programs ${predecessor_index} predecessor)
    add_dependencies(${target} ${predecessor})
  endif()
  set_property(GLOBAL APPEND PROPERTY ipc0cp_programs ${target})
endfunction()
