# `conan create` of the recipe with its test package, without the network: Boost, Catch2, liburing, libzstd,
# zlib, CLI11 and JSON for Modern C++ are the machine's own. Needs conan 2: KVSTRATA_CONAN, or one in PATH; else says why it is skipped.
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
cli11/2.1.2
nlohmann_json/3.11.2
[conf]
tools.build:skip_test=False
tools.build:compiler_executables={"cpp": "@COMPILER@"}
tools.cmake.cmaketoolchain:generator=@GENERATOR@
]])
# The recipe leaves its test package's build beside it, so both are copied first.
file(COPY "${SOURCE}/conanfile.py" "${SOURCE}/CMakeLists.txt" "${SOURCE}/LICENSE" "${SOURCE}/cmake" "${SOURCE}/include"
          "${SOURCE}/tests" "${SOURCE}/test_package" DESTINATION "${WORK}/source" PATTERN build EXCLUDE)
file(COPY "${SOURCE}/tools/command_line" "${SOURCE}/tools/kvstrata_sweep" "${SOURCE}/tools/sim" "${SOURCE}/tools/replay"
     DESTINATION "${WORK}/source/tools")
foreach(options "" "kvstrata/*:cuda=True" "kvstrata/*:uring=True" "kvstrata/*:zstd=True" "kvstrata/*:zlib=True"
        "kvstrata/*:redis=True" "kvstrata/*:testing=True,kvstrata/*:sweep=True")
  set(command "${conan}" create "${WORK}/source" --no-remote -pr:a "${WORK}/profile")
  if(options)
    string(REPLACE "," ";-o;" options "${options}")
    list(APPEND command -o ${options} -c tools.build:skip_test=True)
  endif()
  execute_process(COMMAND "${CMAKE_COMMAND}" -E env "CONAN_HOME=${WORK}/home" "CMAKE_PREFIX_PATH=${PREFIX_PATH}" ${command}
                  RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "conan create failed: ${status}")
  endif()
endforeach()

# A component that the package was made without is refused, in a sentence, whichever generator wrote the package file; the
# suites come with the source that counts allocations, the sweep with its own.
file(CONFIGURE OUTPUT "${WORK}/components/CMakeLists.txt" @ONLY CONTENT [[
cmake_minimum_required(VERSION 3.25)
project(components LANGUAGES CXX)
find_package(kvstrata 0.2 REQUIRED COMPONENTS ${COMPONENT})
get_target_property(sources kvstrata::${COMPONENT} INTERFACE_SOURCES)
message(STATUS "its sources are ${sources}")
]])
foreach(generator CMakeDeps CMakeConfigDeps)
  set(folder "${WORK}/${generator}")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env "CONAN_HOME=${WORK}/home" "${conan}" install --requires=kvstrata/[*] --no-remote
            -pr:a "${WORK}/profile" -g ${generator} -g CMakeToolchain -of "${folder}" -o "kvstrata/*:testing=True" -o "kvstrata/*:sweep=True"
            -c tools.build:skip_test=True -c tools.cmake.cmakedeps:new=will_break_next
    OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message("SKIPPED: ${generator}, which this conan does not know or cannot use: ${said}")
    continue()
  endif()
  foreach(component testing sweep cuda)
    execute_process(
      COMMAND "${CMAKE_COMMAND}" -S "${WORK}/components" -B "${folder}/${component}" -G "${GENERATOR}" -DCMAKE_BUILD_TYPE=Release
              "-DCOMPONENT=${component}" "-DCMAKE_TOOLCHAIN_FILE=${folder}/conan_toolchain.cmake"
      OUTPUT_VARIABLE said ERROR_VARIABLE said)
    string(REGEX REPLACE "[ \n]+" " " said "${said}")
    if(component STREQUAL "cuda" AND NOT said MATCHES "made without its component cuda: set the option")
      message(FATAL_ERROR "${generator} does not refuse the component cuda: ${said}")
    elseif(component STREQUAL "testing" AND NOT said MATCHES "its sources are [^ ]*allocation_count.cpp")
      message(FATAL_ERROR "${generator} does not bring the source of the component testing: ${said}")
    elseif(component STREQUAL "sweep" AND NOT said MATCHES "its sources are [^ ]*sweep.cpp")
      message(FATAL_ERROR "${generator} does not bring the source of the component sweep: ${said}")
    endif()
  endforeach()
endforeach()
