// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/type_registry.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "ipc0cp/error.hpp"
#include "objects/codec.hpp"
#include "objects/registration.hpp"
#include "platform/fork_safe.hpp"

namespace ipc0cp {
namespace {

using Key = std::pair<std::string, std::string>;  // name, version; version "" is any

constexpr std::array<std::string_view, 8> kBuiltInTypes = {"bytes", "text", "json", "ndarray",
                                                           "image", "list", "map",  "flatbuffer"};
// Guards the registrations. A plain mutex: whoever decodes asks again only for new metadata and
// after a registration.
std::mutex g_registrations_mutex;
const platform::UsableAfterFork<g_registrations_mutex> g_registrations_after_fork;

// Of ipc0cp.Queue; see docs/object_format.md.
constexpr std::array<std::string_view, 2> kReservedTypes = {"pickle", "python"};

}  // namespace

struct TypeRegistry::State {
  std::map<Key, codec::Registration> registrations;
  std::atomic<std::uint64_t> generation{1};
  codec::Registration built_in;

  /// Under the mutex: exact version first, then any.
  [[nodiscard]] codec::Registration find(std::string_view name, std::string_view version) const {
    const std::string owned_name(name);
    auto found = registrations.find({owned_name, std::string(version)});
    if (found == registrations.end()) found = registrations.find({owned_name, std::string()});
    return found == registrations.end() ? codec::Registration{} : found->second;
  }

  [[nodiscard]] static bool is_built_in(std::string_view name) {
    for (const std::string_view type : kBuiltInTypes) {
      if (type == name) return true;
    }
    return false;
  }
};

TypeRegistry::TypeRegistry() : state_(new State) {
  state_->built_in.function = std::make_shared<const Deserializer>(&codec::decode_built_in);
  state_->built_in.built_in = true;
  for (const std::string_view type : kBuiltInTypes) {
    state_->registrations[{std::string(type), std::string()}] = state_->built_in;
  }
}

TypeRegistry& TypeRegistry::instance() {
  // Never destroyed: threads may still pop while the program exits.
  static auto* const registry = new TypeRegistry;
  return *registry;
}

namespace {

// Made while the library is loaded: a thread that is in the middle of it would hang every child
// that is forked meanwhile.
[[maybe_unused]] const TypeRegistry& g_made_early = TypeRegistry::instance();

}  // namespace

void TypeRegistry::insert(std::string_view name, std::string_view version, Deserializer function) {
  if (name.empty()) throw Error(ErrorCode::invalid_argument, "register_type: the name is empty");
  if (std::find(kReservedTypes.begin(), kReservedTypes.end(), name) != kReservedTypes.end()) {
    throw Error(ErrorCode::invalid_argument, "register_type(\"" + std::string(name) +
                                                 "\"): the name is reserved for ipc0cp.Queue; "
                                                 "choose another");
  }
  if (!function) {
    throw Error(ErrorCode::invalid_argument,
                "register_type(\"" + std::string(name) + "\"): the function is empty");
  }
  codec::Registration registration;
  registration.function = std::make_shared<const Deserializer>(std::move(function));
  {
    const std::lock_guard lock(g_registrations_mutex);
    std::swap(state_->registrations[{std::string(name), std::string(version)}], registration);
    // Rises under the lock: whoever sees the new number also finds the new function.
    state_->generation.fetch_add(1, std::memory_order_release);
  }
  // The function that was replaced is destroyed here, outside the lock: it is user code.
}

bool TypeRegistry::unregister_type(std::string_view name, std::string_view version) {
  codec::Registration removed;
  const std::lock_guard lock(g_registrations_mutex);
  const auto found = state_->registrations.find({std::string(name), std::string(version)});
  if (found == state_->registrations.end() || found->second.built_in) return false;
  removed = std::move(found->second);
  if (version.empty() && State::is_built_in(name)) {
    found->second = state_->built_in;
  } else {
    state_->registrations.erase(found);
  }
  state_->generation.fetch_add(1, std::memory_order_release);
  return true;
}

TypeRegistry::Deserializer TypeRegistry::find(std::string_view name,
                                              std::string_view version) const {
  const auto found = codec::Registration::find(name, version);
  return found.function ? *found.function : Deserializer{};
}

std::uint64_t TypeRegistry::generation() const noexcept {
  return state_->generation.load(std::memory_order_acquire);
}

namespace codec {

Registration Registration::find(std::string_view name, std::string_view version) {
  const TypeRegistry::State& state = *TypeRegistry::instance().state_;
  const std::lock_guard lock(g_registrations_mutex);
  return state.find(name, version);
}

}  // namespace codec
}  // namespace ipc0cp
