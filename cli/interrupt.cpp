// SPDX-License-Identifier: Apache-2.0
#include "interrupt.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <ctime>

namespace ipc0cp::cli {
namespace {

volatile std::sig_atomic_t signal_came = 0;

constexpr std::array kHeeded{SIGINT, SIGTERM, SIGHUP};

void remember(int /*number*/) { signal_came = 1; }

void mask(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : kHeeded) sigaddset(&signals, number);
  pthread_sigmask(how, &signals, nullptr);
}

}  // namespace

void heed_signals() {
  struct sigaction action = {};
  action.sa_handler = remember;
  // The second one is for a program that does not end: it acts as if nobody had asked.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : kHeeded) {
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
  constexpr double kLongest = 1e9;  // 30 years; what is beyond time_t would not sleep at all.
  seconds = std::min(seconds, kLongest);
  timespec left = {static_cast<std::time_t>(seconds),
                   static_cast<long>((seconds - std::floor(seconds)) * 1e9)};
  while (!interrupted() && nanosleep(&left, &left) != 0 && errno == EINTR) continue;
  return !interrupted();
}

SignalsForThisThread::SignalsForThisThread() { mask(SIG_BLOCK); }

SignalsForThisThread::~SignalsForThisThread() { mask(SIG_UNBLOCK); }

}  // namespace ipc0cp::cli
