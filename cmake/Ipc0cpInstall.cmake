# SPDX-License-Identifier: Apache-2.0
# `cmake --install`: the library, its headers, a CMake package and a pkg-config file.
include(CMakePackageConfigHelpers)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/ipc0cp)
set(package_build_directory ${CMAKE_CURRENT_BINARY_DIR}/package)

# ipc0cp::json and ipc0cp::flatbuffers have files of their own because only their users need
# nlohmann_json and FlatBuffers.
install(TARGETS ipc0cp EXPORT ipc0cpTargets)
install(TARGETS ipc0cp_json EXPORT ipc0cpJsonTargets)
install(EXPORT ipc0cpTargets NAMESPACE ipc0cp:: DESTINATION ${package_directory})
install(EXPORT ipc0cpJsonTargets NAMESPACE ipc0cp:: DESTINATION ${package_directory})
if(TARGET ipc0cp_flatbuffers)
  install(TARGETS ipc0cp_flatbuffers EXPORT ipc0cpFlatbuffersTargets)
  install(EXPORT ipc0cpFlatbuffersTargets NAMESPACE ipc0cp:: DESTINATION ${package_directory})
endif()
if(ipc0cp_builds_program)
  ipc0cp_install_program(${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_DATADIR})
endif()
install(DIRECTORY include/ipc0cp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

configure_package_config_file(cmake/ipc0cpConfig.cmake.in
  ${package_build_directory}/ipc0cpConfig.cmake INSTALL_DESTINATION ${package_directory})
write_basic_package_version_file(${package_build_directory}/ipc0cpConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${package_build_directory}/ipc0cpConfig.cmake
  ${package_build_directory}/ipc0cpConfigVersion.cmake
  DESTINATION ${package_directory})

# `cmake --install --prefix` may move everything, so paths start where the file itself lies;
# absolute directories, which some distributions set, stay as they are.
file(RELATIVE_PATH prefix_from_file
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
set(pkg_config_prefix "\${pcfiledir}/${prefix_from_file}")
set(pkg_config_library_directory "${CMAKE_INSTALL_LIBDIR}")
set(pkg_config_include_directory "${CMAKE_INSTALL_INCLUDEDIR}")
foreach(kind IN ITEMS library include)
  if(NOT IS_ABSOLUTE "${pkg_config_${kind}_directory}")
    string(PREPEND pkg_config_${kind}_directory "\${prefix}/")
  endif()
  # pkg-config splits at spaces that have no backslash.
  string(REPLACE " " "\\ " pkg_config_${kind}_directory "${pkg_config_${kind}_directory}")
endforeach()

# A static library leaves the C++ runtime and threads to whoever links it.
set(pkg_config_static_libraries "")
if(NOT BUILD_SHARED_LIBS)
  set(pkg_config_static_libraries " -lstdc++ -pthread")
endif()
configure_file(cmake/ipc0cp.pc.in ${package_build_directory}/ipc0cp.pc @ONLY)
install(FILES ${package_build_directory}/ipc0cp.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
