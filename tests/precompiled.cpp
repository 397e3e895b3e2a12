// SPDX-License-Identifier: Apache-2.0
// Compiles nothing: the target that it makes owns the precompiled header of the tests.
