# levels_bench and the program that it measures, optimised whatever the build type: bench/ and tests/levels want them.
include_guard(GLOBAL)
include("${PROJECT_SOURCE_DIR}/tools/command_line/checked_output.cmake")
include("${PROJECT_SOURCE_DIR}/tools/command_line/source_dir.cmake")
set(levels_bench_root "${PROJECT_SOURCE_DIR}/bench")

# For programs that compile others: the compiler, and what it needs to find Boost.
add_library(bench_compiler INTERFACE)
target_compile_definitions(
  bench_compiler
  INTERFACE
    KVSTRATA_COMPILER="'${CMAKE_CXX_COMPILER}'"
    "KVSTRATA_COMPILER_FLAGS=\"${CMAKE_CXX_FLAGS} '-I$<JOIN:$<TARGET_PROPERTY:Boost::headers,INTERFACE_INCLUDE_DIRECTORIES>,' '-I>'\"")

add_executable(levels_subject "${levels_bench_root}/support/levels/subject.cpp")
target_compile_options(levels_subject PRIVATE -O3 -DNDEBUG)
target_link_libraries(levels_subject PRIVATE kvstrata::kvstrata kvstrata_warnings)

add_executable(levels_blocks_subject "${levels_bench_root}/support/levels/blocks_subject.cpp")
target_compile_options(levels_blocks_subject PRIVATE -O3 -DNDEBUG)
target_link_libraries(levels_blocks_subject PRIVATE kvstrata::kvstrata kvstrata_warnings)

add_executable(levels_bench "${levels_bench_root}/levels_bench.cpp")
add_dependencies(levels_bench levels_subject levels_blocks_subject)
target_link_libraries(levels_bench PRIVATE kvstrata::kvstrata kvstrata_warnings kvstrata_checked_output kvstrata_source_dir bench_compiler)
target_include_directories(levels_bench PRIVATE "${levels_bench_root}")
# Side by side: the one looks for the others there.
set_target_properties(levels_subject levels_blocks_subject levels_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
