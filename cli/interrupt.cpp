// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <signal.h>

#include <cerrno>
#include <cmath>
#include <csignal>
#include <ctime>
#include <initializer_list>

namespace ipc0cp::cli {
namespace {

volatile std::sig_atomic_t signal_came = 0;

void remember(int /*number*/) { signal_came = 1; }

}  // namespace

void heed_signals() {
  struct sigaction action = {};
  action.sa_handler = remember;
  // The second one is for a program that does not end: it acts as if nobody had asked.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    sigaction(number, nullptr, &before);
    // What the parent ignores, as nohup and `&` of a shell do, stays ignored.
    if (before.sa_handler != SIG_IGN) sigaction(number, &action, nullptr);
  }
}

void outlive_closed_pipes() {
  struct sigaction action = {};
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool interrupted() noexcept { return signal_came != 0; }

bool sleep_for(double seconds) {
  timespec left = {static_cast<std::time_t>(seconds),
                   static_cast<long>((seconds - std::floor(seconds)) * 1e9)};
  while (!interrupted() && nanosleep(&left, &left) != 0 && errno == EINTR) continue;
  return !interrupted();
}

}  // namespace ipc0cp::cli
