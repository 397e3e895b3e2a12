# SPDX-License-Identifier: Apache-2.0
"""Python objects to messages and back. Knows no shared memory, only buffers."""
