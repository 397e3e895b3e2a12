// SPDX-License-Identifier: Apache-2.0
/// @file
/// The objects a ring carries. How they are encoded: docs/object_format.md.
#pragma once

#include "ipc0cp/containers.hpp"           // IWYU pragma: export
#include "ipc0cp/flatbuffer_data.hpp"      // IWYU pragma: export
#include "ipc0cp/image_data.hpp"           // IWYU pragma: export
#include "ipc0cp/numpy_array.hpp"          // IWYU pragma: export
#include "ipc0cp/plain_data.hpp"           // IWYU pragma: export
#include "ipc0cp/serializable_object.hpp"  // IWYU pragma: export
