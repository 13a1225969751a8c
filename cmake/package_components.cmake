# Read by the package file that Conan makes: a component that the package was made without is refused in a sentence;
# kvstrata::testing has a source, which counts allocations, and kvstrata::sweep one, which is the sweep.
foreach(component IN LISTS kvstrata_FIND_COMPONENTS)
  if(TARGET kvstrata::${component})
    set(kvstrata_${component}_FOUND TRUE)
  elseif(kvstrata_FIND_REQUIRED_${component})
    set(kvstrata_FOUND FALSE)
    set(kvstrata_NOT_FOUND_MESSAGE "this kvstrata was made without its component ${component}: set the option kvstrata/*:${component}=True")
  endif()
endforeach()
if(TARGET kvstrata::testing AND NOT kvstrata_testing_has_source)
  set(kvstrata_testing_has_source TRUE)
  target_sources(kvstrata::testing
                 INTERFACE "${CMAKE_CURRENT_LIST_DIR}/../include/kvstrata_testing/support/allocation_count.cpp")
endif()
if(TARGET kvstrata::sweep AND NOT kvstrata_sweep_has_source)
  set(kvstrata_sweep_has_source TRUE)
  target_sources(kvstrata::sweep INTERFACE "${CMAKE_CURRENT_LIST_DIR}/../include/kvstrata_sweep/sweep.cpp")
endif()
