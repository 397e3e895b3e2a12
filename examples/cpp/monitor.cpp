// SPDX-License-Identifier: Apache-2.0
// monitor: looks at the jobs of a worker pool, takes none of them and slows nobody.
//
// The pool knows nothing of it: try it beside `worker_pool`, before its boss starts.
#include <algorithm>
#include <iostream>
#include <string_view>
#include <vector>

#include "ipc0cp/json.hpp"
#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;

int main(int argument_count, char** arguments) {
  if (argument_count != 3 || arguments[1] != std::string_view("watch")) {
    std::cerr << "usage: monitor watch RING\n";
    return 2;
  }
  std::vector<int> numbers;
  ipc0cp::SharedRingBufferConsumer consumer(
      arguments[2], kRingBytes, {.subscribe = true, .overflow = ipc0cp::Overflow::drop_oldest});
  while (const auto object = consumer.pop()) {
    const auto& job = object->as<ipc0cp::MapData>();
    numbers.push_back(ipc0cp::to_json(job.as<ipc0cp::JsonData>("number")));
  }
  // What was given up for want of room counts as missed.
  std::cout << numbers.size() + consumer.missed()
            << " jobs went by, in order: " << (std::ranges::is_sorted(numbers) ? "True" : "False")
            << "\n";
}
