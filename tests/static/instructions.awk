# Of what cuobjdump -sass prints: a line a kernel and architecture with both, its instructions, and those of them that reach
# local memory.
/code for sm_/ { architecture = $NF }
/Function : / { kernel = $NF " " architecture; all[kernel] += 0 }
/^[ \t]+\/\*[0-9a-f]+\*\/ / {
  if ($0 ~ / NOP *;/) next  # behind the end
  ++all[kernel]
  if ($0 ~ / (LDL|STL)[. ]/) ++local[kernel]
}
END { for (kernel in all) print kernel, all[kernel], local[kernel] + 0 }
