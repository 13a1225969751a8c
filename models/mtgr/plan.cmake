# kvstrata_mtgr_plan: what the model on the CPU and the one on the GPU share. Weights and plans of rows.
include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/../hstu/plan.cmake")
add_library(kvstrata_mtgr_plan STATIC "${CMAKE_CURRENT_LIST_DIR}/rows.cpp" "${CMAKE_CURRENT_LIST_DIR}/weights.cpp")
target_link_libraries(kvstrata_mtgr_plan PUBLIC kvstrata_hstu_plan)
if(TARGET kvstrata_warnings)
  target_link_libraries(kvstrata_mtgr_plan PRIVATE kvstrata_warnings)
endif()
