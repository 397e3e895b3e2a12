# SPDX-License-Identifier: Apache-2.0
# The last consumer removes the name without holding the life byte.
set(source src/shm/ring_file.cpp)
set(right_1 [==[
  if (platform::lock_byte(file, kLifeByte, LockKind::write) != LockResult::taken) return;
]==])
set(wrong_1 [==[
  if (!crash::seeded("unlink_without_life_lock") &&
      platform::lock_byte(file, kLifeByte, LockKind::write) != LockResult::taken) {
    return;
  }
]==])
