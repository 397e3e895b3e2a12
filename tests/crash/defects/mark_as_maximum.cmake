# SPDX-License-Identifier: Apache-2.0
# Several producers reserve side by side, and the mark becomes the highest end of any of them.
set(source src/shm/growth.cpp)
set(right_1 [==[
  if (header.growing != kNone) return ErrorCode::buffer_full;
  const std::uint64_t mark = header.main_mark.load(std::memory_order_relaxed);
]==])
set(wrong_1 [==[
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
  mark.store(std::max(mark.load(), request.reserve_begin - part_begin + populated_bytes));
]==])
