// SPDX-License-Identifier: Apache-2.0
/// @file
/// Symbol visibility: everything is hidden but what carries IPC0CP_EXPORT.
#pragma once

#if !defined(__cpp_exceptions) || !defined(__cpp_rtti)
#error \
    "ipc0cp needs exceptions and RTTI: failures are thrown, popped objects are told by their type"
#endif

/// Makes a class or function of the library visible to those who link it.
#define IPC0CP_EXPORT __attribute__((visibility("default")))
