# Counts the instructions a batch costs with the library as it is (TOLD) and with one that tells nobody anything
# (UNTOLD), and fails when they differ by more than 0.5 %: clang++ makes the same file of both, g++ inlines a little
# differently when a statement that comes to nothing is not there at all. A tracker that counts costs 2 %. The difference
# of a long and a short run leaves starting up out. VALGRIND counts; where it is not found, the test is skipped.
cmake_minimum_required(VERSION 3.25)
if(NOT VALGRIND)
  message("SKIPPED: the cost of an empty tracker, because valgrind is not installed (Debian: valgrind)")
  return()
endif()

set(short 1000)
set(long 4000)

function(instructions program batches result words)
  execute_process(
    COMMAND "${VALGRIND}" --tool=callgrind --callgrind-out-file=/dev/null "${program}" ${batches}
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE counted)
  if(NOT status EQUAL 0 OR NOT counted MATCHES "Collected : ([0-9]+)")
    message(FATAL_ERROR "valgrind could not count the instructions of ${program} ${batches} (${status}):\n${said}${counted}")
  endif()
  set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
  set(${words} "${said}" PARENT_SCOPE)
endfunction()

foreach(program TOLD UNTOLD)
  instructions("${${program}}" ${short} first said)
  instructions("${${program}}" ${long} last said)
  math(EXPR ${program}_instructions "${last} - ${first}")
  math(EXPR each "${${program}_instructions} / (${long} - ${short})")
  set(${program}_said "${said}")
  message("${program}: ${each} instructions a batch; ${said}")
endforeach()

if(NOT TOLD_said STREQUAL UNTOLD_said)
  message(FATAL_ERROR "The two programs did not do the same.")
endif()
math(EXPR more "${TOLD_instructions} - ${UNTOLD_instructions}")
math(EXPR more_1000 "1000 * ${more} / ${UNTOLD_instructions}")
message("an empty tracker: ${more} instructions in ${UNTOLD_instructions}")
if(more LESS 0)
  math(EXPR more "-${more}")
endif()
math(EXPR limit "5 * ${UNTOLD_instructions} / 1000")
if(more GREATER limit)
  message(FATAL_ERROR "An empty tracker costs ${more_1000} per mille of the instructions, but 5 are the limit.")
endif()
