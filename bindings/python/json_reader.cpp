// SPDX-License-Identifier: Apache-2.0
#include "rules/json_reader.hpp"

#include <nanobind/stl/string_view.h>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "json.hpp"
#include "rules/metadata.hpp"

namespace ipc0cp::python {
namespace {

/// A new reference that a function of Python has returned, or the exception it has set.
nb::object made(PyObject* object) {
  if (object == nullptr) nb::raise_python_error();
  return nb::steal(object);
}

nb::object make_text(std::string_view text) {
  return made(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "strict"));
}

/// The keys seen last: those of many equal records are made once.
class RecentKeys {
 public:
  nb::object find(std::string_view key) {
    // One that is long, or was unescaped into memory that goes on changing, is made each time.
    if (key.size() > kLongest) return make_text(key);
    const std::size_t ends = key.empty() ? 0 : 31U * key.front() + 7U * key.back();
    Entry& entry = entries_[(key.size() + ends) % entries_.size()];
    if (!entry.text.is_valid() || entry.view() != key) {
      entry.text = make_text(key);
      key.copy(entry.characters.data(), key.size());
      entry.size = key.size();
    }
    return entry.text;
  }

 private:
  static constexpr std::size_t kLongest = 32;
  struct Entry {
    [[nodiscard]] std::string_view view() const { return {characters.data(), size}; }
    std::array<char, kLongest> characters{};
    std::size_t size = 0;
    nb::object text;
  };
  std::array<Entry, 64> entries_;
};

/// Makes Python values of what is read.
class Builder final : public codec::JsonHandler {
 public:
  [[nodiscard]] nb::object take() { return std::move(result_); }

  void null() override { add(nb::none()); }
  void boolean(bool value) override { add(nb::borrow(value ? Py_True : Py_False)); }
  void integer(std::int64_t value) override { add(made(PyLong_FromLongLong(value))); }
  void large_integer(std::uint64_t value) override {
    add(made(PyLong_FromUnsignedLongLong(value)));
  }
  void floating(double value, std::string_view /*text*/) override {
    add(made(PyFloat_FromDouble(value)));
  }
  void string(std::string_view value) override { add(make_text(value)); }
  void start_array() override { open_.push_back({made(PyList_New(0)), {}}); }
  void start_object() override { open_.push_back({made(PyDict_New()), {}}); }
  void key(std::string_view value) override { open_.back().key = keys_.find(value); }
  void end_array() override { close(); }
  void end_object() override { close(); }

 private:
  struct Container {
    nb::object object;
    nb::object key;  ///< Of an object that is being read, under which the next value goes.
  };

  void add(nb::object value) {
    if (open_.empty()) {
      result_ = std::move(value);
      return;
    }
    const Container& container = open_.back();
    const int result =
        container.key.is_valid()
            ? PyDict_SetItem(container.object.ptr(), container.key.ptr(), value.ptr())
            : PyList_Append(container.object.ptr(), value.ptr());
    if (result != 0) nb::raise_python_error();
  }
  void close() {
    nb::object container = std::move(open_.back().object);
    open_.pop_back();
    add(std::move(container));
  }

  std::vector<Container> open_;
  RecentKeys keys_;
  nb::object result_;
};

std::string_view characters_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

nb::object read_json(std::string_view text, const codec::JsonRules& rules) {
  Builder builder;
  codec::read_json(text, rules, builder);
  return builder.take();
}

namespace {

nb::object parse_json(nb::handle text, std::string_view what, unsigned most_levels,
                      bool is_metadata) {
  codec::JsonRules rules{.what = what, .max_levels = most_levels};
  if (is_metadata) rules.max_keys = codec::kMaxMetadataKeys;
  const BufferArgument buffer(text);
  std::string_view characters = characters_of(buffer.bytes());
  // Only `bytes` stay as they are: a peer may go on writing to those of a ring.
  std::string copy;
  if (PyBytes_CheckExact(text.ptr()) == 0) characters = copy = characters;
  return read_json(characters, rules);
}

unsigned check_metadata(nb::bytes text) {
  return codec::check_metadata(text_of(text), ErrorCode::invalid_argument);
}

}  // namespace

void bind_json_reader(nb::module_& module) {
  module.attr("MAX_JSON_LEVELS") = kMaxJsonLevels;
  module.attr("MAX_CONTAINER_LEVELS") = kMaxContainerLevels;
  module.def("parse_json", &parse_json, nb::arg("text"), nb::arg("what"), nb::arg("most_levels"),
             nb::arg("is_metadata"),
             nb::sig("def parse_json(text: object, what: str, most_levels: int,"
                     " is_metadata: bool) -> object"),
             "The value of a JSON text in a buffer; `what` is what errors call it. Raises"
             " CorruptPayload if it breaks a rule of the format.");
  module.def("check_metadata", &check_metadata, nb::arg("text"),
             nb::sig("def check_metadata(text: bytes) -> int"),
             "Raises InvalidArgument unless the text is a JSON object with a type; returns its"
             " levels of arrays and objects.");
}

}  // namespace ipc0cp::python
