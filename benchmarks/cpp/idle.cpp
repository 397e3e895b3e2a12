// SPDX-License-Identifier: Apache-2.0
// What a handle costs that has nothing to do: a consumer of an empty ring, a producer of a full
// one.
#include <cstdlib>
#include <exception>

#include "ipc0cp/log.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "measure.hpp"

namespace {

constexpr std::size_t kRingBytes = 1 << 20;

/// Share of one core in percent while `blocked_call` waits for `seconds`.
template <class Call>
double core_percent(double seconds, Call blocked_call) {
  const double cpu_start = bench::cpu_seconds();
  const auto start = bench::now_ns();
  blocked_call(std::chrono::duration<double>(seconds));
  const double elapsed_seconds = static_cast<double>(bench::now_ns() - start) * 1e-9;
  if (elapsed_seconds < seconds) throw std::runtime_error("the call did not block");
  return 100 * (bench::cpu_seconds() - cpu_start) / elapsed_seconds;
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    const double seconds = argument_count > 1 ? std::atof(arguments[1]) : 3.0;
    const auto name = bench::ring_name("idle");
    ipc0cp::set_log_level(ipc0cp::LogLevel::error);  // That it is blocked is what is wanted.
    ipc0cp::SharedRingBufferConsumer consumer(name, kRingBytes);
    ipc0cp::SharedRingBufferProducer producer(name, kRingBytes);
    const double consumer_percent = core_percent(seconds, [&](auto timeout) {
      try {
        consumer.pop_raw(timeout);
        throw std::runtime_error("a message out of nowhere");
      } catch (const ipc0cp::Error& error) {
        if (error.code() != ipc0cp::ErrorCode::timeout) throw;
      }
    });
    const std::vector<std::byte> payload(kRingBytes / 4);
    // A producer that has waited a while may use the relief block, so it must be full, too.
    while (producer.push_raw({}, payload, std::chrono::milliseconds(200))) continue;
    const double producer_percent = core_percent(seconds, [&](auto timeout) {
      if (producer.push_raw({}, payload, timeout)) throw std::runtime_error("the ring had room");
    });
    bench::print_figures({{"idle_consumer_core_percent", consumer_percent},
                          {"idle_producer_core_percent", producer_percent}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "idle: %s\n", error.what());
    return 1;
  }
  return 0;
}
