# `conan create` of the recipe with its test package, without the network: Boost, Catch2, liburing, libzstd and
# zlib are the machine's own. Needs conan 2: KVSTRATA_CONAN, or one in PATH; else says why it is skipped.
cmake_minimum_required(VERSION 3.25)

set(conan "$ENV{KVSTRATA_CONAN}")
if(NOT conan)
  find_program(conan_program conan)
  set(conan "${conan_program}")
endif()
set(version "")
if(conan)
  execute_process(COMMAND "${conan}" --version OUTPUT_VARIABLE version ERROR_QUIET)
endif()
if(NOT version MATCHES "version ([2-9][0-9.]*)")
  set(reason "$ENV{KVSTRATA_NO_CONAN}")
  if(NOT reason)
    set(reason "conan 2 is not in PATH (./dev test fetches it from PyPI)")
  endif()
  message("SKIPPED: consume_conan because ${reason}")
  return()
endif()

string(REGEX REPLACE "\\..*" "" major "${COMPILER_VERSION}")
if(COMPILER_ID STREQUAL "Clang")
  set(compiler clang)
else()
  set(compiler gcc)
endif()
execute_process(COMMAND uname -m OUTPUT_VARIABLE machine OUTPUT_STRIP_TRAILING_WHITESPACE)
if(machine STREQUAL "aarch64")
  set(machine armv8)
endif()
string(REGEX MATCHALL "[0-9]+" catch2_numbers "${CATCH2}")
list(JOIN catch2_numbers "." catch2)

file(REMOVE_RECURSE "${WORK}")
file(CONFIGURE OUTPUT "${WORK}/profile" @ONLY CONTENT [[
[settings]
os=Linux
arch=@machine@
build_type=Release
compiler=@compiler@
compiler.version=@major@
compiler.libcxx=libstdc++11
compiler.cppstd=20
[platform_requires]
boost/@BOOST@
catch2/@catch2@
liburing/2.3
zstd/1.5.4
zlib/1.2.13
hiredis/0.14.1
[conf]
tools.build:skip_test=False
tools.build:compiler_executables={"cpp": "@COMPILER@"}
tools.cmake.cmaketoolchain:generator=@GENERATOR@
]])
# The recipe leaves its test package's build beside it, so both are copied first.
file(COPY "${SOURCE}/conanfile.py" "${SOURCE}/CMakeLists.txt" "${SOURCE}/LICENSE" "${SOURCE}/cmake" "${SOURCE}/include"
          "${SOURCE}/tests" "${SOURCE}/test_package" DESTINATION "${WORK}/source" PATTERN build EXCLUDE)
file(COPY "${SOURCE}/tools/command_line" DESTINATION "${WORK}/source/tools")
foreach(options "" "kvstrata/*:cuda=True" "kvstrata/*:uring=True" "kvstrata/*:zstd=True" "kvstrata/*:zlib=True"
        "kvstrata/*:redis=True")
  set(command "${conan}" create "${WORK}/source" --no-remote -pr:a "${WORK}/profile")
  if(options)
    list(APPEND command -o "${options}" -c tools.build:skip_test=True)
  endif()
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env "CONAN_HOME=${WORK}/home" "CMAKE_PREFIX_PATH=${PREFIX_PATH}" ${command}
                  RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "conan create failed: ${status}")
  endif()
endforeach()
