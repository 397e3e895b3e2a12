// SPDX-License-Identifier: Apache-2.0
// ipc0cp send: files, lines or the messages of a stream into a ring.
#include <chrono>
#include <cstring>
#include <iostream>
#include <iterator>
#include <memory>
#include <utility>

#include "declared.hpp"
#include "failure.hpp"
#include "file_types.hpp"
#include "interrupt.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/stdio.hpp"
#include "line_reader.hpp"
#include "recording.hpp"
#include "ring_ends.hpp"
#include "rules/json_text.hpp"
#include "standard_streams.hpp"

namespace ipc0cp::cli {
namespace {

struct Options {
  std::string name;
  std::vector<std::string> files;
  bool lines = false;
  bool bytes = false;
  std::optional<std::uint64_t> size;
  std::optional<double> timeout;
};

/// One run of the command.
class Sending {
 public:
  explicit Sending(const Options& options)
      : options_(options),
        timeout_(timeout_of(options.timeout)),
        producer_(open_producer(options.name, options.size, timeout_)) {}

  void send_standard_input() {
    if (options_.lines) return send_lines(0, "standard input");
    if (is_terminal(0)) {
      throw Failure(kWrongUsage,
                    "standard input is a terminal: name files, pipe something here, or type lines "
                    "with --lines");
    }
    std::string start = options_.bytes ? std::string() : read_start(0, kStreamMagic.size());
    if (start == kStreamMagic) return send_stream(0, std::move(start), "standard input");
    send_rest(0, std::move(start), "standard input");
  }

  void send_file(const std::string& path) {
    const FilePointer file = open_file(path, "rb");
    if (std::filesystem::is_directory(path)) {
      throw Failure(kFailed, path + " is a directory; name the files in it: " + path + "/*");
    }
    if (options_.lines) return send_lines(fileno(file.get()), path);
    if (!std::filesystem::is_regular_file(path)) return send_rest(fileno(file.get()), {}, path);
    if (!options_.bytes && begins_like_a_stream(file.get())) {
      return send_stream(fileno(file.get()), {}, path);
    }
    send_regular(file.get(), path);
  }

  void close() { producer_.close(); }

 private:
  static bool begins_like_a_stream(std::FILE* file) {
    std::string start(kStreamMagic.size(), '\0');
    start.resize(std::fread(start.data(), 1, start.size(), file));
    std::rewind(file);
    // What follows reads by the descriptor, not by the buffer.
    std::setvbuf(file, nullptr, _IONBF, 0);
    return start == kStreamMagic && fseeko(file, 0, SEEK_SET) == 0;
  }

  /// Straight from the file into the ring.
  void send_regular(std::FILE* file, const std::string& path) {
    FileMessage message;
    if (options_.bytes) {
      message.payload_bytes = std::filesystem::file_size(path);
    } else {
      message = look_at_file(file, path);
    }
    // Files of /proc say that they are empty, and are not.
    const bool seems_empty = message.payload_bytes == 0 && message.metadata_json.empty();
    if (seems_empty) {
      std::rewind(file);
      std::fflush(file);  // What follows reads by the descriptor, which goes back with it.
      return send_rest(fileno(file), {}, path);
    }
    if (!message.note.empty()) std::cerr << "ipc0cp: " << path << ": " << message.note << "\n";
    Loan loan = producer_.loan(message.payload_bytes, timeout_, message.metadata_json.size());
    const bool found = fseeko(file, static_cast<off_t>(message.payload_offset), SEEK_SET) == 0;
    const std::span<std::byte> target = loan.bytes();
    if (!found || std::fread(target.data(), 1, target.size(), file) != target.size()) {
      throw Failure(kFailed, path +
                                 ": it has become shorter while it was read; nothing of it is "
                                 "sent");
    }
    if (!loan.publish(message.metadata_json, timeout_)) throw_timed_out();
  }

  /// What has no size that could be asked for, and may have no end.
  void send_rest(int descriptor, std::string bytes, const std::string& path) {
    constexpr std::size_t kPiece = 1 << 20;
    const std::uint64_t capacity = producer_.stats().total_data_bytes;
    std::size_t have = bytes.size();
    while (true) {
      bytes.resize(have + kPiece);
      const std::size_t count = read_some(descriptor, bytes.data() + have, kPiece, path);
      have += count;
      if (count == 0) break;
      if (have <= capacity) continue;
      throw Failure(kFailed, path + " has more than " + std::to_string(capacity) +
                                 " bytes, the capacity of ring '" + options_.name +
                                 "'; make a larger one (--size), or send lines (--lines)");
    }
    push({}, std::as_bytes(std::span(bytes).first(have)));
  }

  void send_lines(int descriptor, const std::string& path) {
    LineReader lines(descriptor, path, producer_.stats().total_data_bytes);
    while (const std::optional<std::string_view> line = lines.next()) {
      if (!codec::is_utf8(*line)) {
        throw Failure(kFailed, path + ", line " + std::to_string(lines.number()) +
                                   ": not UTF-8, and text is; send it as bytes: --bytes");
      }
      push(kTextMetadata, std::as_bytes(std::span(*line)));
    }
  }

  /// Each message as it comes, metadata byte for byte.
  void send_stream(int descriptor, std::string start, const std::string& path) {
    StdioConsumerOptions options;
    options.interrupt_check = interrupted;
    options.already_read = std::move(start);
    StdioConsumer stream(descriptor, Ownership::borrowed, options);
    while (const std::optional<Message> message = stream.pop_raw()) {
      if (stream.messages() == 1 && is_recording_start(message->metadata())) {
        throw Failure(kFailed, path + " is a recording, its messages have times; send it with\n" +
                                   "  ipc0cp replay --speed max " + (descriptor == 0 ? "-" : path) +
                                   " " + options_.name);
      }
      push(message->metadata(), message->payload());
    }
  }

  void push(std::string_view metadata_json, std::span<const std::byte> payload) {
    if (!producer_.push_raw(metadata_json, payload, timeout_)) throw_timed_out();
  }

  [[noreturn]] void throw_timed_out() const {
    throw Failure(kTimedOut, "ring '" + options_.name + "' has had no room for " +
                                 std::to_string(*options_.timeout) +
                                 " s; what was sent before is queued");
  }

  const Options& options_;
  Timeout timeout_;
  SharedRingBufferProducer producer_;
};

int send(const Options& options) {
  if (options.lines && options.bytes) {
    throw Failure(kWrongUsage, "--lines and --bytes say two different things");
  }
  const auto start = std::chrono::steady_clock::now();
  try {
    Sending sending(options);
    if (options.files.empty()) sending.send_standard_input();
    for (const std::string& path : options.files) sending.send_file(path);
    sending.close();
  } catch (const Error& error) {
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    const bool in_time = !options.timeout || waited.count() < *options.timeout;
    if (error.code() != ErrorCode::no_consumers || in_time) throw;
    throw Failure(kTimedOut, error.what());
  }
  return kDone;
}

}  // namespace

std::function<int()> prepare_send(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.ring(options->name);
  arguments.texts("file", options->files, kFileKind,
                  "Files to send: .npy, .png, .jpg, .json and streams as what they are, others as "
                  "bytes; without files, standard input");
  arguments.flag("-l,--lines", options->lines, "Send each line as a text");
  arguments.flag("-b,--bytes", options->bytes, "Send each file as it is, as bytes");
  arguments.bytes("-s,--size", options->size,
                  "Capacity of the ring; without it what is there, or 256M");
  arguments.seconds("-t,--timeout", options->timeout,
                    "How long to wait for room or for a consumer; then exit with 2");
  return [options] { return send(*options); };
}

}  // namespace ipc0cp::cli
