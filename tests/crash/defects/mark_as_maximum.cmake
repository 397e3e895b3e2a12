# SPDX-License-Identifier: Apache-2.0
# Several producers reserve side by side, and the mark becomes the highest end of any of them.
set(source src/shm/growth.cpp)
set(right_1 [==[
  if (header.growing != kNone) return ErrorCode::buffer_full;
  const std::uint64_t mark = header.main_mark.load(std::memory_order_relaxed);
]==])
set(wrong_1 [==[
  const bool side_by_side = crash::seeded("mark_as_maximum");
  if (header.growing != kNone && !side_by_side) return ErrorCode::buffer_full;
  std::uint64_t mark = header.main_mark.load(std::memory_order_relaxed);
  if (header.growing != kNone) {
    const BlockFields other = ring_.segment().read_fields(header.growing);
    mark = std::max(mark, other.offset + other.extent_bytes);
  }
]==])
set(right_2 [==[
  mark.store(request.reserve_begin - part_begin + populated_bytes, std::memory_order_release);
]==])
set(wrong_2 [==[
  const std::uint64_t end = request.reserve_begin - part_begin + populated_bytes;
  mark.store(crash::seeded("mark_as_maximum") ? std::max(mark.load(), end) : end);
]==])
