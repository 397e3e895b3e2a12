// SPDX-License-Identifier: Apache-2.0
#include "stdio/handle.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "platform/clock.hpp"
#include "platform/fork_safe.hpp"
#include "platform/log.hpp"
#include "platform/process_identity.hpp"

namespace ipc0cp::stdio {
namespace {

/// How long a call sleeps at most before it looks whether it should end.
constexpr std::int64_t kSliceNs = 50 * platform::kMillisecond;

}  // namespace

// ---- all streams of the process -----------------------------------------------------------------

class StreamRegistry {
 public:
  /// Streams may outlive static objects.
  static StreamRegistry& instance() noexcept { return registry_.value; }

  void add(const std::shared_ptr<StreamHandle>& handle) {
    const std::lock_guard guard(mutex_);
    std::erase_if(streams_, [](const auto& stream) { return stream.expired(); });
    streams_.push_back(handle);
  }

  std::vector<std::shared_ptr<StreamHandle>> all() {
    const std::lock_guard guard(mutex_);
    std::vector<std::shared_ptr<StreamHandle>> streams;
    for (const auto& stream : streams_) {
      if (auto handle = stream.lock()) streams.push_back(std::move(handle));
    }
    return streams;
  }

 private:
  static int register_fork_handlers() noexcept {
    return platform::on_fork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                             in_child);
  }
  /// A child that lives on must not keep the parent's streams open.
  static void in_child() {
    for (const auto& stream : instance().streams_) {
      const std::shared_ptr<StreamHandle> handle = stream.lock();
      if (handle != nullptr && handle->transport_ != nullptr) handle->transport_->forget();
    }
    instance().mutex_.unlock();
  }

  std::mutex mutex_;
  std::vector<std::weak_ptr<StreamHandle>> streams_;
  static platform::NeverDestroyed<StreamRegistry> registry_;
  static const int registered_;
};
constinit platform::NeverDestroyed<StreamRegistry> StreamRegistry::registry_;
const int StreamRegistry::registered_ = StreamRegistry::register_fork_handlers();

void register_stream(const std::shared_ptr<StreamHandle>& handle) {
  StreamRegistry::instance().add(handle);
}

void close_quietly(StreamHandle& handle, bool finish) noexcept {
  try {
    handle.close(finish);
  } catch (const std::exception& error) {
    log(LogLevel::warning, error.what());
  }
}

void detach(std::shared_ptr<StreamHandle> handle, bool finish) noexcept {
  if (handle == nullptr) return;
  close_quietly(*handle, finish);
  if (!handle->forked()) return;
  // A child never destroys its copy, see StreamHandle: its reference goes where nobody ends it.
  alignas(std::shared_ptr<StreamHandle>) static std::byte abyss[sizeof handle];
  new (abyss) std::shared_ptr<StreamHandle>(std::move(handle));
}

// ---- one stream ---------------------------------------------------------------------------------

StreamHandle::StreamHandle(NamedTransport transport, InterruptCheck interrupt_check)
    : transport_(std::move(transport.transport)),
      name_(std::move(transport.name)),
      interrupt_check_(interrupt_check),
      fork_generation_(platform::ForkGeneration::current()) {}

bool StreamHandle::forked() const noexcept {
  return !platform::ForkGeneration::is_current(fork_generation_);
}

void StreamHandle::fail(ErrorCode code, const std::string& text) const {
  throw Error(code, name_ + ": " + text);
}

void StreamHandle::check_not_forked() const {
  if (!forked()) return;
  fail(ErrorCode::forked_handle,
       "this handle belongs to the parent process; open another stream after fork()");
}

void StreamHandle::check_usable() const {
  check_not_forked();
  if (closed()) fail(ErrorCode::closed, "this handle is closed; open another stream");
}

bool StreamHandle::is_turn_of_this_thread() {
  const std::lock_guard guard(mutex_);
  return turn_ == std::this_thread::get_id();
}

void StreamHandle::close(bool finish) {
  if (forked()) return;  // The stream is the parent's.
  is_closing_.store(true, std::memory_order_release);
  if (is_turn_of_this_thread()) return;
  Call call(*this, Timeout::forever(), Call::Purpose::close);
  call.begin();
  if (transport_ == nullptr) return;
  struct Release {
    std::unique_ptr<Transport>& transport;
    ~Release() { transport.reset(); }
  } release{transport_};
  if (finish) finish_stream(call);
}

// ---- one call -----------------------------------------------------------------------------------

Call::Call(StreamHandle& handle, Timeout timeout, Purpose purpose)
    : handle_(handle),
      deadline_ns_(platform::deadline_after(timeout.nanoseconds())),
      looked_ns_(platform::now_ns()),
      purpose_(purpose) {}

Call::~Call() {
  // A signal handler that a call runs may fork. The child unwinds a call of the parent's, whose
  // mutex and sleepers are threads that it does not have.
  if (!has_turn_ || handle_.forked()) return;
  {
    const std::lock_guard guard(handle_.mutex_);
    handle_.turn_ = {};
  }
  handle_.turn_is_free_.notify_one();
}

bool Call::begin() {
  if (purpose_ == Purpose::use) handle_.check_usable();
  std::unique_lock lock(handle_.mutex_);
  while (handle_.turn_ != std::thread::id()) {
    if (handle_.turn_ == std::this_thread::get_id()) {
      handle_.fail(ErrorCode::invalid_argument,
                   "called from within a call on the same stream, perhaps by a signal handler");
    }
    const std::int64_t left_ns = deadline_ns_ - platform::now_ns();
    if (left_ns <= 0) return false;
    handle_.turn_is_free_.wait_for(lock, std::chrono::nanoseconds(std::min(left_ns, kSliceNs)));
    lock.unlock();  // The check may run code of the user's.
    check_now_and_then();
    lock.lock();
  }
  handle_.turn_ = std::this_thread::get_id();
  has_turn_ = true;
  check_now_and_then();
  return true;
}

bool Call::wait() {
  const std::int64_t left_ns = deadline_ns_ - platform::now_ns();
  if (left_ns <= 0) return false;
  handle_.transport().wait(std::min(left_ns, kSliceNs));
  check_now_and_then();
  return true;
}

void Call::check_now_and_then() {
  if (purpose_ == Purpose::use) handle_.check_usable();
  const std::int64_t now_ns = platform::now_ns();
  if (handle_.interrupt_check_ == nullptr || now_ns - looked_ns_ < kSliceNs) return;
  looked_ns_ = now_ns;
  const bool interrupted = handle_.interrupt_check_();
  handle_.check_not_forked();  // What the check ran may have forked.
  if (interrupted) handle_.fail(ErrorCode::interrupted, "interrupted");
}

void Call::wait_for_ever() noexcept { deadline_ns_ = platform::kForever; }

}  // namespace ipc0cp::stdio

namespace ipc0cp {

void close_all_streams(bool abandon) noexcept {
  for (const auto& stream : stdio::StreamRegistry::instance().all()) {
    stdio::close_quietly(*stream, !abandon);
  }
}

}  // namespace ipc0cp
