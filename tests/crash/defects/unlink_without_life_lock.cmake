# SPDX-License-Identifier: Apache-2.0
# The last consumer removes the name without holding the life byte.
set(source src/shm/life.cpp)
set(right_1 [==[
  if (platform::lock_byte(token, kLifeByte, LockKind::write) != LockResult::taken) return;
]==])
set(wrong_1 "")
