// SPDX-License-Identifier: Apache-2.0
// torch_loader: decodes samples for the DataLoader of python/torch_loader.py.
#include <algorithm>
#include <iostream>
#include <string_view>

#include "ipc0cp/json.hpp"
#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;
constexpr int kSamples = 64;

int main(int argument_count, char** arguments) {
  if (argument_count != 3 || arguments[1] != std::string_view("produce")) {
    std::cerr << "usage: torch_loader produce RING\n";
    return 2;
  }
  ipc0cp::SharedRingBufferProducer producer(arguments[2], kRingBytes);
  for (int number = 0; number < kSamples; ++number) {
    ipc0cp::NumpyArray image("<f4", {3, 32, 32});
    std::ranges::fill(image.mutable_values<float>(), static_cast<float>(number));
    ipc0cp::MapData sample;
    sample.add("image", std::move(image));
    sample.add("label", ipc0cp::from_json(number % 10));
    producer.push(sample);
  }
}
