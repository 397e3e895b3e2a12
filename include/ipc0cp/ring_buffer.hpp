// SPDX-License-Identifier: Apache-2.0
/// @file
/// The shared-memory ring: SharedRingBufferProducer and SharedRingBufferConsumer.
///
/// A ring carries messages between any number of producers and consumers on one host; each message
/// reaches exactly one consumer, in the order of publishing. Handles are thread-safe. A process
/// killed at any instant leaves the others running (docs/crash_safety.md).
#pragma once

#include "ipc0cp/array_loan.hpp"       // IWYU pragma: export
#include "ipc0cp/consumer.hpp"         // IWYU pragma: export
#include "ipc0cp/copy.hpp"             // IWYU pragma: export
#include "ipc0cp/error.hpp"            // IWYU pragma: export
#include "ipc0cp/exit.hpp"             // IWYU pragma: export
#include "ipc0cp/limits.hpp"           // IWYU pragma: export
#include "ipc0cp/loan.hpp"             // IWYU pragma: export
#include "ipc0cp/log.hpp"              // IWYU pragma: export
#include "ipc0cp/message.hpp"          // IWYU pragma: export
#include "ipc0cp/objects.hpp"          // IWYU pragma: export
#include "ipc0cp/options.hpp"          // IWYU pragma: export
#include "ipc0cp/payload.hpp"          // IWYU pragma: export
#include "ipc0cp/producer.hpp"         // IWYU pragma: export
#include "ipc0cp/readiness.hpp"        // IWYU pragma: export
#include "ipc0cp/received_object.hpp"  // IWYU pragma: export
#include "ipc0cp/stats.hpp"            // IWYU pragma: export
#include "ipc0cp/timeout.hpp"          // IWYU pragma: export
#include "ipc0cp/type_registry.hpp"    // IWYU pragma: export
