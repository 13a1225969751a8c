# kvstrata::testing: the conformance suites of tests/ for types of others, as <kvstrata_testing/ROOM/SUITE.hpp>. The same files,
# with their includes told apart from a program's own. tests/support/suites.txt lists them; the Conan recipe reads that, too.
set(testing_dir "${CMAKE_CURRENT_BINARY_DIR}/testing")
set(testing_counter kvstrata_testing/support/allocation_count.cpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/support/suites.txt")
file(STRINGS tests/support/suites.txt suites)
foreach(suite IN LISTS suites)
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/tests/${suite}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  file(READ "${source}" text)
  string(REGEX REPLACE "#include \"([a-z0-9_/]+\\.hpp)\"" "#include <kvstrata_testing/\\1>" text "${text}")
  file(WRITE "${testing_dir}/fresh" "${text}")
  get_filename_component(folder "${testing_dir}/kvstrata_testing/${suite}" DIRECTORY)
  file(MAKE_DIRECTORY "${folder}")
  file(COPY_FILE "${testing_dir}/fresh" "${testing_dir}/kvstrata_testing/${suite}" ONLY_IF_DIFFERENT)
endforeach()

add_library(kvstrata_testing INTERFACE)
add_library(kvstrata::testing ALIAS kvstrata_testing)
set_target_properties(kvstrata_testing PROPERTIES EXPORT_NAME testing)
target_include_directories(kvstrata_testing INTERFACE "$<BUILD_INTERFACE:${testing_dir}>" "$<INSTALL_INTERFACE:include>")
target_sources(kvstrata_testing INTERFACE "$<BUILD_INTERFACE:${testing_dir}/${testing_counter}>"
                                          "$<INSTALL_INTERFACE:$<INSTALL_PREFIX>/include/${testing_counter}>")
target_link_libraries(kvstrata_testing INTERFACE kvstrata)
