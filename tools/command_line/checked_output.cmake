# Linking kvstrata_checked_output lets a program end with 1 and a sentence where its standard output could not be written.
include_guard(GLOBAL)
add_library(kvstrata_checked_output OBJECT "${CMAKE_CURRENT_LIST_DIR}/checked_output.cpp")
target_include_directories(kvstrata_checked_output PRIVATE "${PROJECT_SOURCE_DIR}/tools")
target_link_libraries(kvstrata_checked_output PRIVATE kvstrata_warnings)
target_compile_features(kvstrata_checked_output PRIVATE cxx_std_20)
