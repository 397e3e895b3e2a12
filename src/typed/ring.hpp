// SPDX-License-Identifier: Apache-2.0
// From messages to objects, for rings and streams.
#pragma once

#include "ipc0cp/consumer.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/received_object.hpp"

namespace ipc0cp {

/// @throws Error corrupt_payload; whatever a registered deserializer throws.
ReceivedObject decode_message(Message message);

}  // namespace ipc0cp
