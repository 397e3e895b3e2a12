// SPDX-License-Identifier: Apache-2.0
// ranks: one producer, and every rank sees every batch, as in a tensor-parallel step.
//
// Each rank multiplies the same batch, where it lies, by its own columns of a matrix.
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;
constexpr std::uint32_t kRanks = 2;
constexpr int kBatches = 20;
constexpr std::size_t kRows = 64;
constexpr std::size_t kWidth = 128;

void produce(const std::string& ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes,
                                            {.broadcast = true, .expected_consumers = kRanks});
  for (int number = 0; number < kBatches; ++number) {
    std::vector<double> values(kRows * kWidth, number);
    const std::vector<std::size_t> shape = {kRows, kWidth};
    producer.push(ipc0cp::NumpyArray::from(std::move(values), shape));
  }
}

void rank(const std::string& ring) {
  const std::vector<double> columns(kWidth * (kWidth / kRanks), 1.0);
  int batches = 0;
  double total = 0;
  ipc0cp::SharedRingBufferConsumer consumer(ring, 0, {.subscribe = true});
  while (const auto object = consumer.pop()) {
    const auto batch = object->as<ipc0cp::NumpyArray>().values<double>();
    for (std::size_t row = 0; row < kRows; ++row) {
      for (std::size_t inner = 0; inner < kWidth; ++inner) {
        for (std::size_t column = 0; column < kWidth / kRanks; ++column) {
          total += batch[row * kWidth + inner] * columns[inner * (kWidth / kRanks) + column];
        }
      }
    }
    ++batches;
  }
  std::cout << batches << " batches, the products add up to " << static_cast<long long>(total)
            << "\n";
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: ranks produce|rank RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : rank)(arguments[2]);
}
