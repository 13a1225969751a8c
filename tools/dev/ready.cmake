# Marks for who builds several targets in one call and wants each as soon as it is there: building ready_X, for each X of
# KVSTRATA_READY that is a target, leaves the file ready/X in the build folder when X is up to date. Whoever removes the file
# before sees by it that X need not be waited for. ./dev gpu quick does.
foreach(target IN LISTS KVSTRATA_READY)
  if(TARGET ${target})
    set(mark "${PROJECT_BINARY_DIR}/ready/${target}")
    add_custom_command(OUTPUT "${mark}" COMMAND "${CMAKE_COMMAND}" -E make_directory "${PROJECT_BINARY_DIR}/ready"
                       COMMAND "${CMAKE_COMMAND}" -E touch "${mark}" DEPENDS ${target} VERBATIM)
    add_custom_target(ready_${target} DEPENDS "${mark}")
  endif()
endforeach()
