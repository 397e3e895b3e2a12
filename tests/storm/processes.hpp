// SPDX-License-Identifier: Apache-2.0
// Child processes of a storm: plain ones, and ones that are PID 1 in namespaces of their own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>

namespace ipc0cp::storm {

/// Why a child ended.
enum class End { orderly, killed, failed };

/// A forked child. It ends with its parent, and is killed by the destructor. One thread at a time.
class Child {
 public:
  /// Runs `work` in a child; what it throws is printed and makes the child fail.
  /// @param own_namespaces PID 1 in a PID and a user namespace of its own.
  Child(const std::function<void()>& work, bool own_namespaces);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  void stop();
  void go_on();
  void kill();
  /// How it ended, if it has.
  [[nodiscard]] std::optional<End> poll();
  /// Waits for its end.
  [[nodiscard]] End wait();

 private:
  void signal(int number) const;
  void forget();

  pid_t child_ = 0;       ///< 0 once it has ended.
  int worker_file_ = -1;  ///< In namespaces: a descriptor of the child's child, which works.
};

/// Whether this machine lets us make PID and user namespaces.
bool namespaces_are_permitted();

}  // namespace ipc0cp::storm
