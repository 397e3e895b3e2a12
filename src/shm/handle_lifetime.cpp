// SPDX-License-Identifier: Apache-2.0
#include "shm/handle_lifetime.hpp"

namespace ipc0cp::shm {

bool HandleLifetime::add_reference() noexcept {
  int references = references_.load(std::memory_order_relaxed);
  while (references > 0) {
    if (references_.compare_exchange_weak(references, references + 1)) return true;
  }
  return false;
}

void HandleLifetime::unreference() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void HandleLifetime::end_when_all_is_given_back() noexcept {
  const std::int64_t acquired = acquired_.load(std::memory_order_relaxed);
  if (released_.fetch_sub(acquired, std::memory_order_acq_rel) == acquired) drop_token();
}

void HandleLifetime::drop_token() noexcept {
  ring_->drop_token(leaves_unclean_.load());
  unreference();
}

}  // namespace ipc0cp::shm
