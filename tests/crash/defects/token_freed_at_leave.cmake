# SPDX-License-Identifier: Apache-2.0
# The token goes with close(), although a view or a loan is still out.
set(source src/shm/channel_close.cpp)
set(right_1 [==[
  const std::int64_t acquired = acquired_.load(std::memory_order_relaxed);
]==])
set(wrong_1 [==[
  ring_->participants.drop_unclean();
  const std::int64_t acquired = acquired_.load(std::memory_order_relaxed);
]==])
