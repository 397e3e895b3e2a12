// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/type_registry.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/codec.hpp"

namespace ipc0cp {
namespace {

using Metadata = TypeRegistry::Metadata;

constexpr std::string_view kPoint =
    R"({"type":"point","version":"1.0","x":[1,{"a":null}],"n":"5"})";

class Point final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "point";
  explicit Point(std::string made_by) : how(std::move(made_by)) {}
  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override { return kPoint; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return 0; }
  void write_payload(std::span<std::byte> /*target*/) const override {}

  std::string how;
};

std::unique_ptr<SerializableObject> from_pointer(const Metadata& /*metadata*/,
                                                 const std::vector<std::uint8_t>& payload) {
  return std::make_unique<Point>("pointer " + std::to_string(payload.at(0)));
}

/// Takes back what a test registered.
class TypeRegistryTest : public testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"point", "text", "ndarray"}) {
      for (const char* version : {"", "1.0", "2.0"}) registry.unregister_type(name, version);
    }
  }

  std::string decode(std::string_view metadata = kPoint) {
    const auto object = codec::decode(metadata, payload);
    const auto* point = dynamic_cast<const Point*>(object.get());
    return point == nullptr ? std::string(object->type_name()) : point->how;
  }

  TypeRegistry& registry = TypeRegistry::instance();
  BytesData bytes{std::vector<std::uint8_t>{7, 8}};
  Payload payload{bytes.bytes(), std::make_shared<int>(0)};
};

TEST_F(TypeRegistryTest, EachFormOfPayloadIsPossible) {
  registry.register_type("point", [this](const Metadata&, const Payload& given) {
    EXPECT_EQ(given.owner, payload.owner);
    EXPECT_EQ(given.bytes.data(), payload.bytes.data());
    return std::make_unique<Point>("payload");
  });
  EXPECT_EQ(decode(), "payload");
  registry.register_type("point", [this](const Metadata&, std::span<const std::byte> given) {
    EXPECT_EQ(given.data(), payload.bytes.data());
    return std::make_unique<Point>("span");
  });
  EXPECT_EQ(decode(), "span");
  registry.register_type("point", [](const Metadata&, const std::vector<std::uint8_t>& given) {
    EXPECT_EQ(given, (std::vector<std::uint8_t>{7, 8}));
    return std::make_unique<Point>("vector");
  });
  EXPECT_EQ(decode(), "vector");
  registry.register_type("point", from_pointer);
  EXPECT_EQ(decode(), "pointer 7");
  registry.register_type(
      "point", [](const auto&, const auto&) { return std::make_unique<Point>("generic"); });
  EXPECT_EQ(decode(), "generic");
  registry.register_type("point", [count = 0](Metadata, Payload) mutable {
    return std::make_unique<Point>("mutable " + std::to_string(++count));
  });
  EXPECT_EQ(decode(), "mutable 1");
  EXPECT_EQ(decode(), "mutable 2");
}

std::unique_ptr<Point> from_noexcept(const Metadata& /*metadata*/,
                                     std::span<const std::byte> payload) noexcept {
  return std::make_unique<Point>("noexcept " + std::to_string(payload.size()));
}

/// One function object that takes every form.
struct Overloaded {
  std::unique_ptr<Point> operator()(const Metadata& /*metadata*/, const Payload& /*given*/) const {
    return std::make_unique<Point>("overload for Payload");
  }
  std::unique_ptr<Point> operator()(const Metadata& /*metadata*/,
                                    std::span<const std::byte> /*given*/) const {
    return std::make_unique<Point>("overload for span");
  }
  std::unique_ptr<Point> operator()(const Metadata& /*metadata*/,
                                    const std::vector<std::uint8_t>& /*given*/) const {
    return std::make_unique<Point>("overload for vector");
  }
};

TEST_F(TypeRegistryTest, WhateverCanBeCalledCanBeRegistered) {
  registry.register_type("point", from_noexcept);
  EXPECT_EQ(decode(), "noexcept 2");
  registry.register_type("point", &from_noexcept);
  EXPECT_EQ(decode(), "noexcept 2");
  registry.register_type("point", Overloaded{});
  EXPECT_EQ(decode(), "overload for Payload");
  const Overloaded constant;
  registry.register_type("point", constant);
  EXPECT_EQ(decode(), "overload for Payload");
  registry.register_type("point", [](Metadata metadata, std::span<const std::uint8_t> given) {
    return std::make_unique<Point>(metadata.at("n") + " of " + std::to_string(given[0]));
  });
  EXPECT_EQ(decode(), "5 of 7");
  registry.register_type("point", [](auto&& metadata, auto&& given) {
    return std::make_unique<Point>(metadata.at("type") + std::to_string(given.size()));
  });
  EXPECT_EQ(decode(), "point2");
  std::function<std::unique_ptr<SerializableObject>(const Metadata&,
                                                    const std::vector<std::uint8_t>&)>
      wrapped = from_pointer;
  registry.register_type("point", wrapped);
  EXPECT_EQ(decode(), "pointer 7");
  registry.register_type(
      "point", std::bind(from_pointer, std::placeholders::_1, std::vector<std::uint8_t>{9}));
  EXPECT_EQ(decode(), "pointer 9");
}

TEST_F(TypeRegistryTest, AFunctionThatCannotBeCopiedIsMoved) {
  registry.register_type(
      "point", [text = std::make_unique<std::string>("moved in")](const Metadata&, const Payload&) {
        return std::make_unique<Point>(*text);
      });
  EXPECT_EQ(decode(), "moved in");
  EXPECT_TRUE(registry.find("point"));
}

TEST_F(TypeRegistryTest, APayloadMayBeKept) {
  Payload kept;
  registry.register_type("point", [&](const Metadata&, Payload given) {
    kept = std::move(given);
    return std::make_unique<Point>("");
  });
  decode();
  EXPECT_EQ(kept.owner, payload.owner);
}

TEST_F(TypeRegistryTest, MetadataComesAsStrings) {
  Metadata seen;
  registry.register_type("point", [&](const Metadata& metadata, const Payload&) {
    seen = metadata;
    return std::make_unique<Point>("");
  });
  decode();
  const Metadata expected = {
      {"type", "point"}, {"version", "1.0"}, {"x", R"([1,{"a":null}])"}, {"n", "5"}};
  EXPECT_EQ(seen, expected);
}

TEST_F(TypeRegistryTest, ExactVersionComesFirstThenAny) {
  const auto named = [](const char* how) {
    return [how](const Metadata&, const Payload&) { return std::make_unique<Point>(how); };
  };
  registry.register_type("point", named("2.0"), "2.0");
  EXPECT_EQ(decode(), "bytes");
  registry.register_type("point", named("any"));
  EXPECT_EQ(decode(), "any");
  registry.register_type("point", named("1.0"), "1.0");
  EXPECT_EQ(decode(), "1.0");
  EXPECT_EQ(decode(R"({"type":"point"})"), "1.0");
  EXPECT_EQ(decode(R"({"type":"point","version":"3.1"})"), "any");
  EXPECT_TRUE(registry.unregister_type("point", "1.0"));
  EXPECT_FALSE(registry.unregister_type("point", "1.0"));
  EXPECT_EQ(decode(), "any");
}

TEST_F(TypeRegistryTest, BuiltInTypesCanBeReplacedAndCalled) {
  constexpr std::string_view kArray =
      R"({"type":"ndarray","version":"1.0","dtype":{"fields":[],"itemsize":2},"shape":[1]})";
  constexpr std::string_view kText = R"({"type":"text","version":"1.0"})";
  EXPECT_EQ(decode(kText), "text");
  const auto original = registry.find("ndarray", "1.0");
  ASSERT_TRUE(original);
  registry.register_type(
      "text", [](const Metadata&, const Payload&) { return std::make_unique<Point>("instead"); });
  EXPECT_EQ(decode(kText), "instead");
  registry.register_type("ndarray", [&](const Metadata& metadata, const Payload& given) {
    const auto array = original(metadata, given);
    EXPECT_EQ(dynamic_cast<NumpyArray&>(*array).dtype(), R"({"fields":[],"itemsize":2})");
    return std::make_unique<Point>("around");
  });
  EXPECT_EQ(decode(kArray), "around");
  EXPECT_TRUE(registry.unregister_type("text"));
  EXPECT_FALSE(registry.unregister_type("text"));
  EXPECT_EQ(decode(kText), "text");
}

TEST_F(TypeRegistryTest, ExceptionsPassThroughAndNothingIsAnError) {
  registry.register_type(
      "point", [](const Metadata&, const Payload&) -> std::unique_ptr<SerializableObject> {
        throw std::logic_error("from the user");
      });
  EXPECT_THROW(decode(), std::logic_error);
  registry.register_type("point", [](const Metadata&, const Payload&) {
    return std::unique_ptr<SerializableObject>();
  });
  try {
    decode();
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
}

TEST_F(TypeRegistryTest, EmptyAndReservedNamesAndEmptyFunctionsAreRefused) {
  EXPECT_THROW(registry.register_type("", from_pointer), Error);
  EXPECT_THROW(registry.register_type("python", from_pointer), Error);
  EXPECT_THROW(registry.register_type("pickle", from_pointer, "2.0"), Error);
  EXPECT_THROW(registry.register_type("point", TypeRegistry::Deserializer{}), Error);
  std::function<std::unique_ptr<Point>(const Metadata&, const std::vector<std::uint8_t>&)> empty;
  EXPECT_THROW(registry.register_type("point", empty), Error);
  decltype(&from_pointer) null = nullptr;
  EXPECT_THROW(registry.register_type("point", null), Error);
  EXPECT_FALSE(registry.find("point"));
}

TEST_F(TypeRegistryTest, RegisteringWhileOthersDecode) {
  std::atomic<bool> stop{false};
  std::atomic<int> decoded{0};
  std::thread reader([&] {
    while (!stop.load()) {
      const auto object = codec::decode(kPoint, payload);
      if (object != nullptr) decoded.fetch_add(1);
    }
  });
  int round = 0;
  while (round < 200 || decoded.load() < 200) {
    const std::string how = std::to_string(++round);
    registry.register_type(
        "point", [how](const Metadata&, const Payload&) { return std::make_unique<Point>(how); });
    EXPECT_EQ(decode(), how);
  }
  stop.store(true);
  reader.join();
}

/// A child has only the thread that forked, and must not wait for what another one held.
TEST_F(TypeRegistryTest, AForkedChildRegistersAndDecodesWhateverItsParentWasDoing) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the allocator of the sanitizers (GCC 12) keeps its locks across a fork";
#endif
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int number = 0; number < 2; ++number) {
    busy.emplace_back([&] {
      while (!stop.load()) {
        registry.register_type("point", from_pointer);
        decode();
      }
    });
  }
  int hung = 0;
  for (int number = 0; number < 200; ++number) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(10);  // A child that hangs ends by SIGALRM.
      registry.register_type("point", from_pointer);
      _exit(decode() == "pointer 7" ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) ++hung;
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    if (hung > 0) break;
  }
  stop.store(true);
  for (std::thread& thread : busy) thread.join();
  EXPECT_EQ(hung, 0);
}

TEST_F(TypeRegistryTest, ADeserializerMayRegisterAndDecode) {
  registry.register_type("point", [&](const Metadata&, const Payload&) {
    registry.register_type("point", from_pointer);
    return codec::decode(kPoint, payload);
  });
  EXPECT_EQ(decode(), "pointer 7");
}

}  // namespace
}  // namespace ipc0cp
