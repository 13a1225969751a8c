# Counts what the lean replacement policies cost in a cache of unit-sized objects that is full, at 1 % and 10 % of the
# objects: at most INSTRUCTIONS a request and BYTES an object, the index included. The difference of a long and a short
# replay of one trace leaves out drawing it and filling the cache. VALGRIND counts; where it is not found, the test is
# skipped. POLICIES are separated by commas. bench/instructions_bench.cpp does the same for all policies on a longer
# trace.
cmake_minimum_required(VERSION 3.25)
if(NOT VALGRIND)
  message("SKIPPED: instructions of the replacement policies, because valgrind is not installed (Debian: valgrind)")
  return()
endif()

set(short 50000)
set(long 100000)

function(replay policy objects requests result words)
  execute_process(
    COMMAND "${VALGRIND}" --tool=callgrind --callgrind-out-file=/dev/null "${PROGRAM}" ${policy} ${objects} ${requests}
    RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE counted)
  if(NOT status EQUAL 0 OR NOT counted MATCHES "Collected : ([0-9]+)")
    message(FATAL_ERROR "valgrind could not count the instructions of ${PROGRAM} ${policy} (${status}):\n${said}${counted}")
  endif()
  set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
  set(${words} "${said}" PARENT_SCOPE)
endfunction()

string(REPLACE "," ";" POLICIES "${POLICIES}")
set(faults "")
foreach(policy IN LISTS POLICIES)
  foreach(objects 1000 10000)
    replay(${policy} ${objects} ${short} first said)
    replay(${policy} ${objects} ${long} last said)
    math(EXPR each "(${last} - ${first}) / (${long} - ${short})")
    if(NOT said MATCHES "^([0-9]+) bytes an object, ([0-9]+) hits")
      message(FATAL_ERROR "${PROGRAM} said: ${said}")
    endif()
    set(bytes ${CMAKE_MATCH_1})
    message("${policy}, ${objects} of 100,000 objects: ${each} instructions a request, ${said}")
    if(each GREATER INSTRUCTIONS)
      string(APPEND faults "${policy} costs ${each} instructions a request, but ${INSTRUCTIONS} are the limit.\n")
    endif()
    # Less than a list's two links and a key: whoever says so did not count.
    if(bytes GREATER BYTES OR bytes LESS 24)
      string(APPEND faults "${policy} takes ${bytes} bytes an object, but ${BYTES} are the limit.\n")
    endif()
  endforeach()
endforeach()
if(faults)
  message(FATAL_ERROR "${faults}")
endif()
