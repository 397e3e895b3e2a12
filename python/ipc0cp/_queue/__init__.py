# SPDX-License-Identifier: Apache-2.0
"""What stands behind `ipc0cp.Queue`."""
