// SPDX-License-Identifier: Apache-2.0
// What the unit tests of the object layer share.
#pragma once

#include <memory>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/serializable_object.hpp"
#include "objects/codec.hpp"
#include "objects/encoded.hpp"

namespace ipc0cp {

using ipc0cp_test::payload_of;

/// The code of the Error that `call` throws, `ok` if it throws none.
template <class Call>
ErrorCode code_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

/// What the Error that `call` throws says, empty if it throws none.
template <class Call>
std::string text_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

/// What a consumer makes of `object`.
template <class T>
std::unique_ptr<T> through_codec(const T& object) {
  auto result = codec::decode(object.metadata_json(), payload_of(object));
  return std::unique_ptr<T>(&dynamic_cast<T&>(*result.release()));
}

}  // namespace ipc0cp
