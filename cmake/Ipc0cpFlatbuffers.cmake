# SPDX-License-Identifier: Apache-2.0
# FlatBuffers is optional: where its headers are, there is ipc0cp::flatbuffers; where its compiler
# is, too, its tests and example are built.
find_package(FlatBuffers QUIET GLOBAL CONFIG NAMES FlatBuffers flatbuffers)
if(NOT TARGET flatbuffers::flatbuffers)
  if(IPC0CP_TESTS)
    message(STATUS "ipc0cp: without libflatbuffers-dev the tests of FlatBuffers are not built")
  endif()
  return()
endif()

add_library(ipc0cp_flatbuffers INTERFACE)
add_library(ipc0cp::flatbuffers ALIAS ipc0cp_flatbuffers)
set_target_properties(ipc0cp_flatbuffers PROPERTIES EXPORT_NAME flatbuffers)
target_link_libraries(ipc0cp_flatbuffers INTERFACE ipc0cp flatbuffers::flatbuffers)

find_program(FLATC_PROGRAM flatc DOC "The compiler of FlatBuffers schemas")
if(NOT FLATC_PROGRAM AND (IPC0CP_TESTS OR IPC0CP_EXAMPLES OR IPC0CP_BENCHMARKS))
  message(STATUS "ipc0cp: without flatbuffers-compiler nothing that has a schema is built")
endif()

# An interface library `name` with the classes that flatc makes of a schema, in C++; those in Python
# go to the same directory, generated/ of the build directory.
function(ipc0cp_add_schema name schema)
  get_filename_component(stem ${schema} NAME_WE)
  get_filename_component(schema ${schema} ABSOLUTE)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/generated)
  set(header ${directory}/${stem}_generated.h)
  add_custom_command(OUTPUT ${header}
    COMMAND ${FLATC_PROGRAM} --cpp --python -o ${directory} ${schema}
    DEPENDS ${schema} VERBATIM)
  add_custom_target(${name}_generated DEPENDS ${header})
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_generated)
  target_include_directories(${name} SYSTEM INTERFACE ${directory})
  target_link_libraries(${name} INTERFACE ipc0cp::flatbuffers)
endfunction()
