# Reads the tree at ROOT and fails, naming each fault, when a room includes what it must not, when a header is too long,
# has no guard or pulls in CUDA, or when two places disagree about the version.
#
#   core <- codec <- {device, observe, layout, replacement, attention, position, recompute, routing} <- {tiers, beams, prototypes} <- transfer <- books <- plan
#        <- {move, assembly} <- cache <- {ahead, sharded} <- simulate
cmake_minimum_required(VERSION 3.25)

set(rooms_0 core)
set(rooms_1 codec)
set(rooms_2 device observe layout replacement attention position recompute routing)
set(rooms_3 tiers beams prototypes)
set(rooms_4 transfer)
set(rooms_5 books)
set(rooms_6 plan)
set(rooms_7 move assembly)
set(rooms_8 cache)
set(rooms_9 ahead sharded)
set(rooms_10 simulate)
foreach(level RANGE 10)
  foreach(room IN LISTS rooms_${level})
    set(level_of_${room} ${level})
  endforeach()
endforeach()

# The headers that stand in no room belong to one, or are above all.
set(room_of_version.hpp core)
set(room_of_cache.hpp cache)
set(level_of_kvstrata.hpp 11)
set(level_of_cuda.cuh 11)

# The headers that need the CUDA toolkit's.
set(cuda_home "^device/cuda(/|_device\\.hpp$)")

# The headers that need liburing.
set(uring_home "^tiers/nvme/io/(best_engine|io_ring|uring_engine|uring_lane)\\.hpp$")

# The headers that need libzstd.
set(zstd_home "^(codec/(exp_zstd|zstd_after|zstd/exp_code|zstd/frames)|simulate/unpack/zstd)\\.hpp$")

# The headers that need hiredis.
set(redis_home "^tiers/(redis_cluster|redis/(core|cluster_records|redis_cluster_on|(io|calls)/[a-z_]+))\\.hpp$")

# The header that needs zlib.
set(zlib_home "^simulate/unpack/gzip\\.hpp$")

set(faults "")
macro(fault text)
  string(APPEND faults "${text}\n")
endmacro()

function(room_of path result)  # path below include/kvstrata
  get_filename_component(directory "${path}" DIRECTORY)
  if(directory)
    string(REGEX REPLACE "/.*" "" room "${directory}")
  else()
    set(room "${room_of_${path}}")
    if(NOT room)
      set(room "${path}")
    endif()
  endif()
  set(${result} "${room}" PARENT_SCOPE)
endfunction()

file(GLOB_RECURSE headers RELATIVE "${ROOT}/include/kvstrata" "${ROOT}/include/kvstrata/*.hpp"
     "${ROOT}/include/kvstrata/*.cuh")
foreach(header IN LISTS headers)
  room_of("${header}" room)
  if(NOT DEFINED level_of_${room})
    fault("${header}: ${room} is no room; tests/static/house_rules.cmake lists them")
    continue()
  endif()

  file(READ "${ROOT}/include/kvstrata/${header}" text)
  string(REGEX REPLACE "[][;\\]" "_" text "${text}")  # these would tear CMake's lists
  string(REGEX MATCHALL "\n" newlines "${text}")
  list(LENGTH newlines length)
  if(length GREATER 300)
    fault("${header}: ${length} lines, but 300 are the limit")
  endif()
  if(NOT text MATCHES "(^|\n)#pragma once\n")
    fault("${header}: #pragma once is missing")
  endif()
  # Everything lies in the namespace of the version, whose name a macro is: a header that does not know it is read without a word.
  if(text MATCHES "\nnamespace kvstrata[ :{]" AND NOT text MATCHES "\nnamespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE")
    fault("${header}: write namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE")
  endif()
  if(text MATCHES "KVSTRATA_VERSION_NAMESPACE" AND NOT text MATCHES "\n#include <kvstrata/" AND NOT header STREQUAL "core/namespace.hpp")
    fault("${header}: it includes nothing of kvstrata, so it wants core/namespace.hpp")
  endif()
  if(text MATCHES "core/language.hpp>" AND NOT header MATCHES "^(core/namespace|kvstrata)\\.hpp$")
    fault("${header}: core/namespace.hpp brings core/language.hpp")
  endif()
  # nvcc 13 forgets the designators of a list that is assigned in a template, and then goes by position without a word.
  if(text MATCHES "\n[ \t]*((if|else|for)[^\n]* )?([*A-Za-z_][A-Za-z0-9_.>()-]*) = {[ \n\t]*\\.")
    fault("${header}: ${CMAKE_MATCH_3} = {.member = ...}: name the type before the list; nvcc loses the names of its members")
  endif()

  string(REGEX REPLACE "\n" ";" lines "${text}")
  set(number 0)
  foreach(line IN LISTS lines)
    math(EXPR number "${number} + 1")
    if(NOT line MATCHES "^[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]*)")
      continue()
    endif()
    set(quote "${CMAKE_MATCH_1}")
    set(included "${CMAKE_MATCH_2}")
    if(quote STREQUAL "\"")
      fault("${header}:${number}: write #include <kvstrata/...>, not \"${included}\"")
    elseif(header STREQUAL "observe/nvtx.hpp" AND included STREQUAL "nvtx3/nvToolsExt.h")
      # a header of C without a runtime, and only where it is found
    elseif(header MATCHES "${cuda_home}" AND included MATCHES "^cuda_[a-z_]+\\.h$")
      # the runtime's functions, at home: nothing else includes these headers
    elseif(header MATCHES "\\.hpp$"
           AND included MATCHES "^(thrust|cub|cuda|nv)/|^(cuda|cooperative_groups|device_launch|nvtx|nvToolsExt)|\\.cuh$")
      fault("${header}:${number}: a .hpp must not include ${included}")
    elseif(included MATCHES "^liburing" AND NOT header MATCHES "${uring_home}")
      fault("${header}:${number}: only headers of io_uring may include ${included}")
    elseif(included MATCHES "^zlib\\.h$" AND NOT header MATCHES "${zlib_home}")
      fault("${header}:${number}: only the header of gzip may include ${included}")
    elseif(included MATCHES "^hiredis" AND NOT header STREQUAL "tiers/redis/io/hiredis.hpp")
      fault("${header}:${number}: only tiers/redis/io/hiredis.hpp may include ${included}")
    elseif(included MATCHES "^zstd" AND NOT header MATCHES "${zstd_home}")
      fault("${header}:${number}: only headers of zstd may include ${included}")
    elseif(included MATCHES "^kvstrata/(.*)")
      set(ours "${CMAKE_MATCH_1}")
      if(ours MATCHES "${uring_home}" AND NOT header MATCHES "${uring_home}")
        fault("${header}:${number}: only headers of io_uring may include ${ours}")
      endif()
      if(ours MATCHES "${redis_home}" AND NOT header MATCHES "${redis_home}")
        fault("${header}:${number}: only headers of redis_cluster may include ${ours}")
      endif()
      if(ours MATCHES "${zstd_home}" AND NOT header MATCHES "${zstd_home}")
        fault("${header}:${number}: only headers of zstd may include ${ours}")
      endif()
      if(ours MATCHES "${zlib_home}")
        fault("${header}:${number}: no header may include ${ours}")
      endif()
      if(ours MATCHES "${cuda_home}" AND NOT header MATCHES "${cuda_home}|^cuda\\.cuh$")
        fault("${header}:${number}: only headers of the CUDA device may include ${ours}")
      endif()
      room_of("${ours}" other)
      if(NOT DEFINED level_of_${other})
        fault("${header}:${number}: ${other} is no room")
      elseif(NOT other STREQUAL room AND NOT level_of_${other} LESS level_of_${room})
        fault("${header}:${number}: ${room} must not include ${other}")
      endif()
    endif()
  endforeach()
endforeach()

# One version, wherever it is written.
file(STRINGS "${ROOT}/include/kvstrata/version.hpp" macros REGEX "^#define KVSTRATA_VERSION_")
string(REGEX REPLACE "[^;0-9]+" "" version "${macros}")
string(REPLACE ";" "." version "${version}")
foreach(place "include/kvstrata/version.hpp|version = \"([0-9.]+)\"" "conanfile.py|version = \"([0-9.]+)\""
              "CITATION.cff|\nversion: ([0-9.]+)")
  string(REGEX REPLACE "\\|.*" "" file "${place}")
  string(REGEX REPLACE "^[^|]*\\|" "" pattern "${place}")
  if(EXISTS "${ROOT}/${file}")
    file(READ "${ROOT}/${file}" text)
    if(text MATCHES "${pattern}" AND NOT CMAKE_MATCH_1 STREQUAL version)
      fault("${file} says ${CMAKE_MATCH_1}, but version.hpp says ${version}")
    endif()
  endif()
endforeach()
if(EXISTS "${ROOT}/include/kvstrata/core/namespace.hpp")  # of minor versions, which alone may differ in what they are
  file(READ "${ROOT}/include/kvstrata/core/namespace.hpp" text)
  string(REGEX REPLACE "^([0-9]+)\\.([0-9]+)\\..*" "v\\1_\\2" wanted "${version}")
  if(NOT text MATCHES "KVSTRATA_VERSION_NAMESPACE (v[0-9_]+)" OR NOT CMAKE_MATCH_1 STREQUAL wanted)
    fault("include/kvstrata/core/namespace.hpp says ${CMAKE_MATCH_1}, but by version.hpp it is ${wanted}")
  endif()
endif()

# The change log begins with that version, or with one that is still to come and says so.
if(EXISTS "${ROOT}/CHANGELOG.md")
  file(READ "${ROOT}/CHANGELOG.md" text)
  if(text MATCHES "\n## \\[?v?([0-9]+\\.[0-9]+\\.[0-9]+)([^\n]*)")
    set(first "${CMAKE_MATCH_1}")
    if(NOT first STREQUAL version AND NOT (CMAKE_MATCH_2 MATCHES "unreleased" AND first VERSION_GREATER version))
      fault("CHANGELOG.md says ${first}, but version.hpp says ${version}")
    endif()
  endif()
endif()

list(LENGTH headers count)
if(faults)
  message("${faults}")
  message(FATAL_ERROR "The house rules are broken.")
endif()
message(STATUS "${count} headers keep the house rules")
