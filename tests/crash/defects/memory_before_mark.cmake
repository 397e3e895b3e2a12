# SPDX-License-Identifier: Apache-2.0
# Memory that is given back goes before the mark has moved below it.
set(source src/shm/growth.cpp)
set(right_1 [==[
  mark.store(begin, std::memory_order_release);
]==])
set(wrong_1 [==[
  if (!crash::seeded("memory_before_mark")) mark.store(begin, std::memory_order_release);
]==])
set(right_2 [==[
  return error == 0 ? request.reserve_bytes : 0;
]==])
set(wrong_2 [==[
  if (crash::seeded("memory_before_mark")) {
    if (request.reserve_begin < ring_.geometry().main_bytes) {
      ring_.header().main_mark.store(request.reserve_begin);
    } else {
      ring_.header().relief_mark.store(request.reserve_begin - ring_.geometry().main_bytes);
    }
  }
  return error == 0 ? request.reserve_bytes : 0;
]==])
