# SPDX-License-Identifier: Apache-2.0
# The token goes with close(), although a view or a loan is still out.
set(source src/shm/channel_close.cpp)
set(right_1 [==[
  end_when_all_is_given_back();
]==])
set(wrong_1 [==[
  if (crash::seeded("token_freed_at_leave")) ring_->participants().drop_unclean();
  end_when_all_is_given_back();
]==])
