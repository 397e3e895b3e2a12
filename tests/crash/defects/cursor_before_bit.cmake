# SPDX-License-Identifier: Apache-2.0
# What is given up is in the hand of a subscriber that does not know of it, until its bit is clear.
set(source src/shm/giving_up.cpp)
set(right_1 [==[
    blocks.take_share(index, blocks.word_of(index), rest & -rest);
    const auto number = static_cast<std::uint32_t>(std::countr_zero(rest));
    const Owner owner =
        owner_of_entry(ring_.header().entries[number].load(std::memory_order_relaxed));
]==])
set(wrong_1 [==[
    const auto number = static_cast<std::uint32_t>(std::countr_zero(rest));
    const Owner owner =
        owner_of_entry(ring_.header().entries[number].load(std::memory_order_relaxed));
    if (crash::seeded("cursor_before_bit")) {
      ring_.segment().slot(slot_of(owner)).cursor = sequence + 1;
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    blocks.take_share(index, blocks.word_of(index), rest & -rest);
]==])
