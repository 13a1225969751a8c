# kvstrata::sweep: the sweep of kvstrata-sim for programs of others, <kvstrata_sweep/sweep_command.hpp>. Read by CMakeLists.txt and,
# installed beside it, by the package file, so that the same lines find CLI11 and JSON for Modern C++ here and there.
set(kvstrata_sweep_needs "CLI11 and JSON for Modern C++ (Debian: libcli11-dev, nlohmann-json3-dev)")

# Makes the target, of the sources in `folder`, where what it needs is found; they know the machine files in `machines`. Unpacks
# what the components zstd and zlib unpack, where they are there.
function(kvstrata_add_sweep folder machines)
  find_path(KVSTRATA_CLI11_INCLUDE_DIR CLI/CLI.hpp)
  find_path(KVSTRATA_JSON_INCLUDE_DIR nlohmann/json.hpp)
  mark_as_advanced(KVSTRATA_CLI11_INCLUDE_DIR KVSTRATA_JSON_INCLUDE_DIR)
  if(TARGET kvstrata::sweep OR NOT KVSTRATA_CLI11_INCLUDE_DIR OR NOT KVSTRATA_JSON_INCLUDE_DIR)
    return()
  endif()
  add_library(kvstrata::sweep INTERFACE IMPORTED GLOBAL)
  target_include_directories(kvstrata::sweep INTERFACE "${folder}" "${KVSTRATA_CLI11_INCLUDE_DIR}" "${KVSTRATA_JSON_INCLUDE_DIR}")
  target_sources(kvstrata::sweep INTERFACE "${folder}/kvstrata_sweep/sweep.cpp")
  target_compile_definitions(kvstrata::sweep INTERFACE "KVSTRATA_MACHINES=\"${machines}\"")
  target_link_libraries(kvstrata::sweep INTERFACE kvstrata::kvstrata)
  foreach(packing zstd zlib)
    if(TARGET kvstrata::${packing})
      string(TOUPPER ${packing} name)
      target_link_libraries(kvstrata::sweep INTERFACE kvstrata::${packing})
      target_compile_definitions(kvstrata::sweep INTERFACE KVSTRATA_SWEEP_HAS_${name})
    endif()
  endforeach()
endfunction()
