// SPDX-License-Identifier: Apache-2.0
/// @file
/// Symbol visibility: everything is hidden but what carries IPC0CP_EXPORT.
#pragma once

#define IPC0CP_EXPORT __attribute__((visibility("default")))
