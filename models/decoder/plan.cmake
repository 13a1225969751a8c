# kvstrata_decoder_search: what decoding semantic IDs needs beside a model. The catalogue of items, candidates and their
# selection. Needs nothing. kvstrata_decoder_plan: what the model on the CPU and the one on the GPU share. Weights, and what
# passes are told.
include_guard(GLOBAL)
set(here "${CMAKE_CURRENT_LIST_DIR}")
set(sources catalogue/eligible_items.cpp catalogue/item_trie.cpp catalogue/tuples.cpp loops/loops.cpp loops/loops_baseline.cpp
            search/candidate_list.cpp search/request_beams.cpp)
set(quick loops/loops_baseline.cpp)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND sources loops/loops_avx2.cpp loops/loops_avx512.cpp)
  list(APPEND quick loops/loops_avx2.cpp loops/loops_avx512.cpp)
endif()
list(TRANSFORM sources PREPEND "${here}/")
list(TRANSFORM quick PREPEND "${here}/")
add_library(kvstrata_decoder_search STATIC ${sources})
target_compile_features(kvstrata_decoder_search PUBLIC cxx_std_20)
target_include_directories(kvstrata_decoder_search PUBLIC "${here}/..")
target_link_libraries(kvstrata_decoder_search PUBLIC kvstrata::kvstrata)
if(TARGET kvstrata_warnings)
  target_link_libraries(kvstrata_decoder_search PRIVATE kvstrata_warnings)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_definitions(kvstrata_decoder_search PRIVATE DECODER_X86)
  set_property(SOURCE "${here}/loops/loops_avx2.cpp" APPEND PROPERTY COMPILE_OPTIONS -mavx2 -mfma)
  set_property(SOURCE "${here}/loops/loops_avx512.cpp" APPEND PROPERTY COMPILE_OPTIONS
    -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
endif()
# These loops are slow beyond use without optimisation, so they have it in debug builds too. Sums may be taken in the order
# of vectors (-fopenmp-simd says which).
set_property(SOURCE ${quick} APPEND PROPERTY COMPILE_OPTIONS
  -O3 -fopenmp-simd -ffp-contract=fast -fno-math-errno -fno-trapping-math
  $<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-pass-failed>)  # under sanitizers they are not vectorised

add_library(kvstrata_decoder_plan STATIC "${here}/beam_step.cpp" "${here}/prompt.cpp" "${here}/weights.cpp")
target_link_libraries(kvstrata_decoder_plan PUBLIC kvstrata_decoder_search)
if(TARGET kvstrata_warnings)
  target_link_libraries(kvstrata_decoder_plan PRIVATE kvstrata_warnings)
endif()
# Drawing is slow without optimisation, so it has it in debug builds too.
set_property(SOURCE "${here}/weights.cpp" APPEND PROPERTY COMPILE_OPTIONS -O2)
