# Linking kvstrata_source_dir gives a program tools::source_dir().
include_guard(GLOBAL)
add_library(kvstrata_source_dir OBJECT "${CMAKE_CURRENT_LIST_DIR}/source_dir.cpp")
target_compile_definitions(kvstrata_source_dir PRIVATE KVSTRATA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
target_include_directories(kvstrata_source_dir PUBLIC "${PROJECT_SOURCE_DIR}/tools")
target_link_libraries(kvstrata_source_dir PRIVATE kvstrata_warnings)
target_compile_features(kvstrata_source_dir PUBLIC cxx_std_20)
