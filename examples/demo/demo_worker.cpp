// SPDX-License-Identifier: Apache-2.0
// A worker of the demo: takes photographs from one ring, puts their edges into another.
//
// Photographs are read where they lie in the first ring, and edges are computed straight into a
// loan of the second: no pixel is copied on the way. It may be killed at any moment.
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "edge_filter.hpp"
#include "ipc0cp/ring_buffer.hpp"

namespace {

// Room for the metadata of a result: its 64 counters take most of it.
constexpr std::size_t kMetadataCapacity = 2048;

std::span<std::uint8_t> as_pixels(std::span<std::byte> bytes) {
  return {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

std::string describe(const std::string& worker, const nlohmann::json& frame,
                     const std::vector<std::size_t>& shape, const Analysis& analysis) {
  return nlohmann::json{
      {"type", "ndarray"},
      {"version", "1.0"},
      {"dtype", "|u1"},
      {"shape", {shape[0], shape[1]}},
      {"frame", frame.at("frame")},
      {"photo", frame.at("photo")},
      {"worker", worker},
      {"energy", analysis.mean_energy},
      {"histogram", analysis.histogram},
  }
      .dump();
}

void work(const std::string& name, const std::string& frames_ring,
          const std::string& results_ring) {
  // Size 0: the rings are there already, take them as they are.
  ipc0cp::SharedRingBufferConsumer frames(frames_ring, 0);
  ipc0cp::SharedRingBufferProducer results(results_ring, 0);
  EdgeFilter filter;
  while (auto object = frames.pop()) {
    const auto& photo = object->as<ipc0cp::NumpyArray>();
    const std::vector<std::size_t> shape(photo.shape().begin(), photo.shape().end());
    if (shape.size() != 2 && shape.size() != 3) throw std::invalid_argument("2 or 3 dimensions");
    const std::size_t channels = shape.size() == 3 ? shape[2] : 1;
    ipc0cp::Loan edges =
        results.loan(shape[0] * shape[1], ipc0cp::Timeout::forever(), kMetadataCapacity);
    const Analysis analysis = filter.run(photo.values<std::uint8_t>(), shape[0], shape[1], channels,
                                         as_pixels(edges.bytes()));
    const auto frame = nlohmann::json::parse(object->metadata());
    edges.publish(describe(name, frame, shape, analysis));
    // The photograph goes back to its ring here, after its result is out: a frame that is lost
    // with a worker is one that this worker held.
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 4) {
    std::cerr << "usage: demo_worker NAME FRAMES_RING RESULTS_RING\n";
    return 2;
  }
  try {
    work(arguments[1], arguments[2], arguments[3]);
  } catch (const std::exception& error) {
    std::cerr << "worker " << arguments[1] << ": " << error.what() << "\n";
    return 1;
  }
  return 0;
}
