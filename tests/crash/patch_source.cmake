# SPDX-License-Identifier: Apache-2.0
# Makes a copy of one source file with one defect in it:
# cmake -D defect=FILE -D root=DIRECTORY -D target=FILE -P patch_source.cmake
# A defect that no longer fits leaves the copy right; its test then fails, not the build.
include(${defect})
file(READ ${root}/${source} text)
foreach(change RANGE 1 9)
  if(NOT DEFINED right_${change})
    break()
  endif()
  string(FIND "${text}" "${right_${change}}" place)
  if(place EQUAL -1)
    message(WARNING "${defect}: ${source} has changed, part ${change} does not fit any more")
  endif()
  string(REPLACE "${right_${change}}" "${wrong_${change}}" text "${text}")
endforeach()
file(WRITE ${target} "${text}")
