// SPDX-License-Identifier: Apache-2.0
// Rings looked at by their files, which are opened for reading only.
#include "ipc0cp/inspect.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "ipc0cp/error.hpp"
#include "ipc0cp/message.hpp"
#include "platform/clock.hpp"
#include "platform/ring_directory.hpp"
#include "platform/shared_memory.hpp"
#include "shm/control_copy.hpp"
#include "shm/layout.hpp"
#include "shm/open_errors.hpp"
#include "shm/ring_name.hpp"
#include "shm/similar_names.hpp"
#include "shm/snapshot.hpp"

namespace ipc0cp::inspect {
namespace {

using Extent = shm::ControlCopy::Extent;

/// A file among the rings, opened to look at it; what can be told without its figures.
class LookedAt {
 public:
  explicit LookedAt(std::string name) : name_(std::move(name)), path_(shm::path_of(name_)) {
    summary_.name = shm::printable(name_);
    summary_.taken_ns = platform::now_ns();
  }

  /// @return false: there is no such file.
  bool open() {
    platform::FileIdentity identity;
    const int error = platform::open_to_look(path_, file_);
    if (error == ENOENT) return false;
    if (error == EMFILE || error == ENFILE || error == ENOMEM) {
      shm::open_errors::system_failure("cannot look at " + shm::path_of(summary_.name), error);
    }
    if (error != 0) {
      if (platform::identity_of(path_, identity) != 0) return false;
      note(identity);
      refuse_to_open(error, identity.regular);
      return true;
    }
    if (platform::identity_of(file_.get(), identity) == 0) note(identity);
    read_geometry();
    return true;
  }

  /// Copies what the ring has; without, the summary says why. @throws std::bad_alloc
  std::optional<shm::ControlCopy> copy(Extent extent) {
    if (code_ != ErrorCode::ok) return std::nullopt;
    shm::ControlCopy copy;
    const int error = copy.read(file_.get(), geometry_, extent);
    if (error == 0) return copy;
    refuse(ErrorCode::corrupt_buffer, RingState::damaged,
           error == ENODATA ? "its file has become shorter than the ring in it"
                            : "its file cannot be read: " + std::string(std::strerror(error)));
    return std::nullopt;
  }

  [[nodiscard]] const platform::File& file() const noexcept { return file_; }
  [[nodiscard]] RingSummary& summary() noexcept { return summary_; }
  /// Why there are no figures; ok: there are.
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  void note(const platform::FileIdentity& identity) noexcept {
    summary_.owner = identity.owner;
    summary_.mode = identity.mode;
    summary_.file_bytes = identity.bytes;
    summary_.backed_bytes = identity.backed_bytes;
  }

  void refuse(ErrorCode code, RingState state, std::string problem) {
    code_ = code;
    summary_.state = state;
    summary_.problem = std::move(problem);
  }

  void refuse_to_open(int error, bool is_file) {
    if (!is_file) return refuse(ErrorCode::not_a_ring, RingState::not_a_ring, kNoFile);
    if (error == EACCES || error == EPERM) {
      return refuse(ErrorCode::permission_denied, RingState::no_permission,
                    "user " + std::to_string(summary_.owner) +
                        " owns it and lets nobody else read it: look at it as that user, or as "
                        "root");
    }
    refuse(ErrorCode::system_error, RingState::no_permission,
           "it cannot be opened: " + std::string(std::strerror(error)));
  }

  void read_geometry() {
    std::string what_is_wrong;
    const ErrorCode code = shm::Segment::read_geometry(file_, geometry_, what_is_wrong);
    if (code == ErrorCode::ok) return;
    const std::string way_out =
        "; remove it if nobody needs it (" + shm::removal_command(name_) + ")";
    if (code == ErrorCode::version_mismatch) {
      return refuse(code, RingState::other_version,
                    what_is_wrong + ": look at it with the ipc0cp that made it");
    }
    std::uint64_t magic = 0;
    const bool begins_like_a_ring =
        platform::read_at(file_.get(), 0, &magic, sizeof magic) == 0 && magic == shm::kMagic;
    if (begins_like_a_ring) {
      return refuse(ErrorCode::corrupt_buffer, RingState::damaged, what_is_wrong + way_out);
    }
    refuse(code, RingState::not_a_ring, what_is_wrong + way_out);
  }

  static constexpr const char* kNoFile = "it is not a regular file";

  std::string name_;  ///< As others have chosen it: it may hold anything.
  std::string path_;
  platform::File file_;
  shm::Geometry geometry_;
  RingSummary summary_;
  ErrorCode code_ = ErrorCode::ok;
};

std::optional<RingSummary> summary_of(const std::string& name) {
  LookedAt file(name);
  if (!file.open()) return std::nullopt;
  const auto copy = file.copy(Extent::overview);
  if (copy) shm::summarise(*copy, file.file().get(), file.summary());
  return file.summary();
}

[[noreturn]] void no_such_ring(const std::string& name) {
  throw Error(
      ErrorCode::system_error,
      "there is no ring '" + name + "' in " + platform::ring_directory() + shm::similar_names(name),
      ENOENT);
}

/// Bytes of the arena, which may have no memory behind them: those are zeros.
bool read_bytes(const platform::File& file, std::uint64_t offset, std::span<std::byte> target) {
  return platform::read_at(file.get(), offset, target.data(), target.size()) == 0;
}

/// What one queued message holds; empty if it is not there any more.
std::optional<MessagePreview> preview_of(const platform::File& file, const shm::ControlCopy& copy,
                                         std::uint32_t place, const PreviewOptions& options) {
  const shm::Descriptor& block = copy.block(place);
  const shm::BlockFields fields = shm::fields_of(block);
  const std::uint64_t begin = copy.geometry().arena_offset + fields.offset;
  MessagePreview preview{shm::queued_message(block, platform::now_ns()), {}, {}};
  preview.payload.resize(std::min<std::uint64_t>(fields.payload_bytes, options.max_payload_bytes));
  preview.metadata.resize(
      std::min<std::uint64_t>(fields.metadata_bytes, options.max_metadata_bytes));
  const auto metadata = std::as_writable_bytes(std::span(preview.metadata));
  shm::StateWord word = 0;
  const std::uint64_t state_offset =
      copy.geometry().offset_of_descriptor(copy.index_of(place)) + offsetof(shm::Descriptor, state);
  if (!read_bytes(file, begin, preview.payload) ||
      !read_bytes(file, begin + fields.plan().metadata_offset(), metadata) ||
      !read_bytes(file, state_offset, std::as_writable_bytes(std::span(&word, 1)))) {
    return std::nullopt;
  }
  if (word != block.state.load(std::memory_order_relaxed)) return std::nullopt;
  if (fields.metadata_bytes == 0) preview.metadata = kBytesMetadata;
  return preview;
}

double per_second(std::uint64_t earlier, std::uint64_t later, double seconds) noexcept {
  // What is read without the lock may seem to go back by the message of the moment.
  return later > earlier ? static_cast<double>(later - earlier) / seconds : 0;
}

}  // namespace

std::vector<RingSummary> rings() {
  namespace fs = std::filesystem;
  const std::string& directory = platform::ring_directory();
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::string file = entry->path().filename().string();
    if (file.starts_with(shm::kFilePrefix)) names.push_back(file.substr(shm::kFilePrefix.size()));
  }
  if (error) {
    throw Error(ErrorCode::system_error,
                "the rings in " + directory + " cannot be listed: " + error.message(),
                error.value());
  }
  std::ranges::sort(names);
  std::vector<RingSummary> found;
  for (const std::string& name : names) {
    // What has gone since the directory was read is left out.
    if (auto summary = summary_of(name)) found.push_back(std::move(*summary));
  }
  return found;
}

RingSummary summary(const std::string& name) {
  const std::string bare = shm::checked_name(name);
  auto found = summary_of(bare);
  if (!found) no_such_ring(bare);
  return std::move(*found);
}

Ring ring(const std::string& name) {
  const std::string bare = shm::checked_name(name);
  LookedAt file(bare);
  if (!file.open()) no_such_ring(bare);
  const auto copy = file.copy(Extent::everything);
  Ring found;
  static_cast<RingSummary&>(found) = file.summary();
  if (copy) shm::describe(*copy, file.file().get(), found);
  return found;
}

std::vector<MessagePreview> preview(const std::string& name, const PreviewOptions& options) {
  const std::string bare = shm::checked_name(name);
  LookedAt file(bare);
  if (!file.open()) no_such_ring(bare);
  const auto copy = file.copy(Extent::everything);
  if (!copy) {
    throw Error(file.code(), shm::open_errors::quoted(bare) + ": " + file.summary().problem);
  }
  std::vector<MessagePreview> previews;
  for (const std::uint32_t place : shm::queued_places(*copy)) {
    if (previews.size() >= options.max_messages) break;
    if (copy->block(place).sequence <= options.after_id) continue;
    auto found = preview_of(file.file(), *copy, place, options);
    if (found) previews.push_back(std::move(*found));
  }
  return previews;
}

std::optional<Rates> rates(const RingSummary& earlier, const RingSummary& later) noexcept {
  const bool is_the_same = earlier.has_figures() && earlier.ring_id == later.ring_id;
  if (!is_the_same || later.taken_ns <= earlier.taken_ns) return std::nullopt;
  Rates rates;
  rates.seconds = static_cast<double>(later.taken_ns - earlier.taken_ns) * 1e-9;
  rates.messages_in = per_second(earlier.stats.pushed, later.stats.pushed, rates.seconds);
  rates.messages_out = per_second(earlier.stats.popped, later.stats.popped, rates.seconds);
  rates.bytes_in = per_second(earlier.stats.pushed_bytes, later.stats.pushed_bytes, rates.seconds);
  rates.bytes_out = per_second(earlier.stats.popped_bytes, later.stats.popped_bytes, rates.seconds);
  return rates;
}

Directory directory() {
  return {platform::ring_directory(), platform::total_shared_memory(),
          platform::free_shared_memory()};
}

}  // namespace ipc0cp::inspect
