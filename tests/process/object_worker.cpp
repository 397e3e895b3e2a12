// SPDX-License-Identifier: Apache-2.0
// One stage of the cross-language tests: `object_worker role=... name=... [target=] [report=]`.
//
//   produce   pushes the catalogue
//   rebuild   pops objects, builds each anew, pushes it to the ring `target`
//   check     pops what should be the catalogue
//   vectors   pops what should be the golden vectors of the groups `groups`
//
// The last two write a line per object to `report`: its name, a tab, what is wrong with it.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "objects/catalogue_more.hpp"
#include "objects/codec.hpp"
#include "objects/difference.hpp"
#include "objects/encoded.hpp"
#include "objects/rebuild.hpp"
#include "ring_worker.hpp"

namespace ipc0cp_test {
namespace {

using ipc0cp_process_test::Options;

constexpr std::size_t kRingBytes = 64 << 20;
constexpr std::chrono::seconds kPatience(30);

void produce(const Options& options) {
  ipc0cp::SharedRingBufferProducer producer(options.text("name"), kRingBytes);
  for (const Named& entry : catalogue()) {
    if (!producer.push(*entry.object, kPatience)) {
      throw std::runtime_error("no room for " + entry.name);
    }
  }
}

void rebuild_all(const Options& options) {
  ipc0cp::SharedRingBufferConsumer consumer(options.text("name"), kRingBytes);
  ipc0cp::SharedRingBufferProducer producer(options.text("target"), kRingBytes);
  while (const auto popped = consumer.pop(kPatience)) {
    if (!producer.push(*rebuild(*popped->data), kPatience)) {
      throw std::runtime_error("no room for the next object");
    }
  }
}

/// Pops an object for each expected one and reports what is different.
void compare(const Options& options, const std::vector<Named>& expected) {
  std::ofstream report(options.text("report"));
  ipc0cp::SharedRingBufferConsumer consumer(options.text("name"), kRingBytes);
  for (const Named& entry : expected) {
    std::string found;
    try {
      const auto popped = consumer.pop(kPatience);
      found = popped ? difference(*entry.object, *popped->data) : "the stream ended";
    } catch (const std::exception& error) {
      found = error.what();
    }
    report << entry.name << '\t' << found << '\n';
  }
  const bool ended = !consumer.pop(kPatience).has_value();
  report << "end\t" << (ended ? "" : "more came than expected") << '\n';
}

std::vector<Named> vectors(const std::string& groups) {
  std::vector<Named> result;
  std::istringstream names(groups);
  for (std::string group; std::getline(names, group, ',');) {
    for (const nlohmann::json& vector : load_vectors(IPC0CP_TESTS_DIR, group)) {
      if (!vector.contains("python")) continue;
      result.push_back({group + "/" + vector["name"].get<std::string>(),
                        ipc0cp::codec::decode(metadata_of(vector), payload_of(vector))});
    }
  }
  return result;
}

int run(int count, char** arguments) {
  const Options options(count, arguments);
  alarm(60);  // The watchdog: SIGALRM ends a worker that hangs.
  register_point_cloud();
  ipc0cp::set_log_level(ipc0cp::LogLevel::error);  // Unknown types are meant to be unknown.
  const std::string role = options.text("role");
  if (role == "produce") {
    produce(options);
  } else if (role == "rebuild") {
    rebuild_all(options);
  } else if (role == "check") {
    compare(options, catalogue());
  } else if (role == "vectors") {
    compare(options, vectors(options.text("groups")));
  } else {
    throw std::runtime_error("role=produce, rebuild, check or vectors");
  }
  return 0;
}

}  // namespace
}  // namespace ipc0cp_test

int main(int count, char** arguments) {
  try {
    return ipc0cp_test::run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "object_worker %d: %s\n", static_cast<int>(getpid()), error.what());
    return 1;
  }
}
