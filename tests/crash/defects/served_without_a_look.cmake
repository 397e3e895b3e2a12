# SPDX-License-Identifier: Apache-2.0
# A worker that finishes last does not look whether a share is left.
set(source src/shm/blocks_shared.cpp)
set(right_1 [==[
  return shares_.left(index, word) == 0 && return_served(index, word);
]==])
set(wrong_1 [==[
  if (crash::seeded("served_without_a_look")) return false;
  return shares_.left(index, word) == 0 && return_served(index, word);
]==])
