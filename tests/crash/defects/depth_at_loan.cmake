# SPDX-License-Identifier: Apache-2.0
# Old values are given up for one that is still to be written.
set(source src/shm/admission.cpp)
set(right_1 [==[
  if (request.message_bytes >= kWarmBytes) ring_.blocks().collect();
]==])
set(wrong_1 [==[
  if (crash::seeded("depth_at_loan") && max_unread_ != kAnyNumber) giving_up_.all_but(0);
  if (request.message_bytes >= kWarmBytes) ring_.blocks().collect();
]==])
