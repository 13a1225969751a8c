# kvstrata_hstu_plan: what the model on the CPU and the one on the GPU share. Weights and their files, buckets of time, plans
# of rows.
include_guard(GLOBAL)
set(sources bias.cpp head.cpp model_file.cpp projection.cpp rows.cpp safetensors.cpp safetensors_header.cpp weights.cpp)
list(TRANSFORM sources PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
add_library(kvstrata_hstu_plan STATIC ${sources})
target_compile_features(kvstrata_hstu_plan PUBLIC cxx_std_20)
target_include_directories(kvstrata_hstu_plan PUBLIC "${CMAKE_CURRENT_LIST_DIR}/..")
target_link_libraries(kvstrata_hstu_plan PUBLIC kvstrata::kvstrata)
if(TARGET kvstrata_warnings)
  target_link_libraries(kvstrata_hstu_plan PRIVATE kvstrata_warnings)
endif()
# Its loops are slow beyond use without optimisation, so they have it in debug builds too.
set_property(SOURCE "${CMAKE_CURRENT_LIST_DIR}/bias.cpp" "${CMAKE_CURRENT_LIST_DIR}/safetensors.cpp" APPEND PROPERTY
  COMPILE_OPTIONS -O3 -fopenmp-simd -ffp-contract=fast -fno-math-errno -fno-trapping-math)
