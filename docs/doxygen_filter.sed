# SPDX-License-Identifier: Apache-2.0
# Leaves out how classes are copied and moved: what that does is said by the class.
/^  [A-Z]\w*\((const )?[A-Z]\w*&&?( other)?\)( noexcept)?( = (default|delete))?;$/d
/^  [A-Z]\w*& operator=\(.*;$/d
