// SPDX-License-Identifier: Apache-2.0
// Ctrl-C and SIGTERM end what is going on, orderly: rings are left and streams are closed.
#pragma once

namespace ipc0cp::cli {

/// From here on SIGINT, SIGTERM and SIGHUP are remembered; a second one ends the program at once.
void heed_signals();
/// From here on writing into a pipe that nobody reads fails with EPIPE, and ends nothing: for who
/// has taken something that must not be lost silently.
void outlive_closed_pipes();
/// Whether one came. An `InterruptCheck` of handles.
bool interrupted() noexcept;
/// Sleeps for so many seconds, or until a signal comes. @return whether none came.
bool sleep_for(double seconds);

/// Threads that are started while it lives get none of these signals: the one that waits does.
class SignalsForThisThread {
 public:
  SignalsForThisThread();
  ~SignalsForThisThread();
  SignalsForThisThread(const SignalsForThisThread&) = delete;
  SignalsForThisThread& operator=(const SignalsForThisThread&) = delete;
};

}  // namespace ipc0cp::cli
