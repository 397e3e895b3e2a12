// SPDX-License-Identifier: Apache-2.0
#include "account.hpp"

#include <cstdio>
#include <string>

namespace ipc0cp::storm {
namespace {

void expect(bool holds, const std::string& what) {
  if (!holds) throw Violation(what);
}

std::string numbered(const char* what, std::uint64_t number, const char* other_what,
                     std::uint64_t other) {
  return std::string(what) + " " + std::to_string(number) + ", " + other_what + " " +
         std::to_string(other);
}

/// A killed push was delivered once or not at all, and nothing was made up.
void count_messages(const ProducerEntry& producer, Account& account) {
  const std::uint32_t acknowledged = producer.acknowledged.load();
  const std::uint32_t attempted = producer.attempted.load();
  account.messages += acknowledged;
  for (std::uint32_t sequence = 0; sequence < kMessagesPerProducer; ++sequence) {
    const std::uint8_t noted = producer.noted[sequence].load();
    if (noted > 1) account.duplicates += noted - 1U;
    if (sequence < acknowledged) {
      account.missing += noted == 0 ? 1 : 0;
    } else if (noted > 0) {
      expect(sequence < attempted && producer.killed,
             numbered("a message that was never pushed: number", sequence, "attempted", attempted));
      ++account.unsure;
    }
  }
}

/// Each message went to one consumer; what is gone was in the hands of a killed one.
void check_plain(const Account& account) {
  const Counters& counters = account.counters;
  expect(account.duplicates == 0, std::to_string(account.duplicates) + " messages came twice");
  // A consumer can be killed between the pop and the note, once.
  expect(account.missing <= account.killed_consumers,
         numbered("missing", account.missing, "consumers killed", account.killed_consumers));
  expect(counters.dropped == 0, std::to_string(counters.dropped) + " messages were dropped");
  expect(account.held_least <= counters.lost && counters.lost <= account.held_most,
         "killed consumers held " + std::to_string(account.held_least) + " to " +
             std::to_string(account.held_most) + ", the ring counted " +
             std::to_string(counters.lost) + " lost");
}

/// Nothing is gone but what killed its consumer three times over; a message comes again only if
/// its consumer was killed after it had noted it.
void check_redelivered(const Account& account) {
  expect(account.missing <= account.counters.dropped,
         numbered("missing", account.missing, "dropped by the ring", account.counters.dropped));
  expect(account.duplicates <= account.killed_consumers,
         numbered("noted twice", account.duplicates, "consumers killed", account.killed_consumers));
}

}  // namespace

Account settle_account(const Ledger& ledger, bool redeliver) {
  Account account;
  account.counters = ledger.counters;
  for (std::uint32_t index = 0; index < ledger.producers; ++index) {
    count_messages(ledger.producer[index], account);
  }
  for (std::uint32_t index = 0; index < ledger.consumers; ++index) {
    const ConsumerEntry& consumer = ledger.consumer[index];
    if (!consumer.killed) continue;
    ++account.killed_consumers;
    account.held_least += consumer.held_least.load();
    account.held_most += consumer.held_most.load();
  }
  const Counters& counters = account.counters;
  expect(counters.messages == 0, std::to_string(counters.messages) + " messages are still queued");
  expect(counters.used_bytes == 0,
         "the dead have left " + std::to_string(counters.used_bytes) + " bytes behind");
  redeliver ? check_redelivered(account) : check_plain(account);
  return account;
}

void print_account(const Account& account, const Report& report) {
  const auto line = [](const char* what, std::uint64_t number) {
    std::printf("%-44s %12llu\n", what, static_cast<unsigned long long>(number));
  };
  line("kills", report.kills);
  std::printf("%-44s %12.0f\n", "kills per second",
              static_cast<double>(report.kills) / report.seconds);
  line("stops", report.stops);
  line("messages", account.messages);
  line("came twice", account.duplicates);
  line("pushed by killed producers, yet delivered", account.unsure);
  line("missing", account.missing);
  line("lost with killed consumers, by the ring", account.counters.lost);
  line("held by killed consumers, at least", account.held_least);
  line("held by killed consumers, at most", account.held_most);
  line("dropped after too many deliveries", account.counters.dropped);
  line("deaths repaired", account.counters.repaired_deaths);
  std::printf("%-44s %12.3f\n", "longest stall, seconds", report.longest_stall_seconds);
}

}  // namespace ipc0cp::storm
