# SPDX-License-Identifier: Apache-2.0
# Leaves out how classes are copied and moved: what that does is said by the class.
/^  [A-Z]\w*\((const )?[A-Z]\w*&&?( other)?\)( noexcept)?( = (default|delete))?;$/d
/^  [A-Z]\w*& operator=\(.*;$/d
# Shows enumerators and fields made from a table, X(...), as if they were written out.
/^#define IPC0CP_[A-Z_]+\(X\) +\\$/d
/^#(define|undef) IPC0CP_(CODE|FIELD)/d
/^  X\(/{
  s/^  X\(std::(\w+), (\w+), "(.*)"\) *\\?$/  std::\1 \2;  \/\/\/< \3/
  s/^  X\((\w+), \w+, "(.*)"\) *\\?$/  \1,  \/\/\/< \2/
  H
  d
}
/^  IPC0CP_\w+\(IPC0CP_\w+\)$/{
  g
  s/^\n//
}
