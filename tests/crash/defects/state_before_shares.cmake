# SPDX-License-Identifier: Apache-2.0
# A message is published before it says who has a share of it.
set(source src/shm/blocks.cpp)
set(right_1 [==[
  if (subscribers != 0) [[unlikely]]
    published = share(index, published, subscribers);
]==])
set(wrong_1 [==[
  if (crash::seeded("state_before_shares") && subscribers != 0) {
    descriptor.state.store(is_broadcast() ? served(published) : published | kShared,
                           std::memory_order_seq_cst);
  }
  if (subscribers != 0) [[unlikely]]
    published = share(index, published, subscribers);
]==])
