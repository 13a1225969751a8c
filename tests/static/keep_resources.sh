#!/bin/sh
# Runs nvcc (the arguments) and keeps what --resource-usage makes ptxas say of the kernels beside the object file, as
# OBJECT.resources; everything else that the compiler says goes through.
object=
previous=
for argument; do
  if [ "$previous" = -o ]; then object=$argument; fi
  previous=$argument
done
if [ -z "$object" ]; then exec "$@"; fi

"$@" 2>"$object.said"
code=$?
grep -E '^ptxas info|bytes stack frame' "$object.said" >"$object.resources"
grep -vE '^ptxas info|bytes stack frame' "$object.said" >&2
rm -f "$object.said"
exit $code
