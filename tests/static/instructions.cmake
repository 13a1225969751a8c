# Prints how many instructions every kernel in OBJECTS (divided by "|") has on each architecture, whichever of them run, as
# CUOBJDUMP disassembles them, and fails, naming each fault, when one reaches local memory or an object has no kernel. CXXFILT,
# where it is set, makes names readable.
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/kernel_table.cmake")
string(REPLACE "|" ";" OBJECTS "${OBJECTS}")
if(NOT CUOBJDUMP)
  message("SKIPPED: the instructions of kernels, because cuobjdump is not found (a part of the CUDA toolkit)")
  return()
endif()

set(faults "")
set(names "")
set(architectures "")
foreach(object IN LISTS OBJECTS)
  execute_process(
    COMMAND "${CUOBJDUMP}" -sass "${object}"
    COMMAND awk -f "${CMAKE_CURRENT_LIST_DIR}/instructions.awk"
    OUTPUT_VARIABLE counted
    ERROR_VARIABLE said)
  string(REGEX MATCHALL "[^\n]+" counted "${counted}")
  if(NOT counted)
    string(APPEND faults "${object}: no kernel is in it ${said}\n")
  endif()
  foreach(line IN LISTS counted)
    string(REPLACE " " ";" line "${line}")
    list(GET line 0 kernel)
    list(GET line 1 architecture)
    list(GET line 2 count)
    list(GET line 3 local)
    readable("${kernel}" name)
    if(local)
      string(APPEND faults "${name} (${architecture}) reaches local memory with ${local} of ${count} instructions\n")
    endif()
    list(APPEND names "${name}")
    list(APPEND architectures "${architecture}")
    set("instructions ${name} ${architecture}" "${count}")
  endforeach()
endforeach()

print_kernels("instructions by architecture, kernel" instructions "" "${names}" "${architectures}")
if(faults)
  message("${faults}")
  message(FATAL_ERROR "Kernels waste what they have, or say nothing about it.")
endif()
