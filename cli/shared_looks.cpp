// SPDX-License-Identifier: Apache-2.0
#include "shared_looks.hpp"

#include <thread>

namespace ipc0cp::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kFresh = 500ms;
/// Rates over a longer time would not be those of now, so that a second look is taken.
constexpr auto kOld = 5s;
constexpr auto kBetweenLooks = 250ms;

}  // namespace

std::shared_ptr<const TopPage> SharedLooks::get() {
  const std::lock_guard lock(mutex_);
  const auto age = Clock::now() - looked_;
  if (page_ != nullptr && age < kFresh) return page_;
  if (page_ == nullptr || age > kOld) {
    look();
    std::this_thread::sleep_for(kBetweenLooks);
  }
  look();
  return page_;
}

void SharedLooks::look() {
  page_ = std::make_shared<const TopPage>(watch_.look());
  looked_ = Clock::now();
}

}  // namespace ipc0cp::cli
