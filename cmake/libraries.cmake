# What libraries of the machine add: for each a component kvstrata::NAME, which links it and which headers of its own need. Read
# by CMakeLists.txt and, installed beside it, by the package file, so that the same lines find a library here and there.
set(kvstrata_libraries uring zstd zlib redis)

# Of each: a header, the library, and what stands in the header where the library is new enough; what that is called, and
# Debian's package. Before 2.2, liburing cannot register memory bit by bit; zstd's parameters that codecs set are stable from 1.4.
set(kvstrata_uring_library liburing.h uring io_uring_register_buffers_sparse)
set(kvstrata_uring_needs "liburing 2.2 or newer")
set(kvstrata_uring_package liburing-dev)
set(kvstrata_zstd_library zstd.h zstd ZSTD_compress2)
set(kvstrata_zstd_needs "libzstd 1.4 or newer")
set(kvstrata_zstd_package libzstd-dev)
set(kvstrata_zlib_library zlib.h z ZLIB_VERSION)
set(kvstrata_zlib_needs "zlib")
set(kvstrata_zlib_package zlib1g-dev)
set(kvstrata_redis_library hiredis/hiredis.h hiredis HIREDIS_MAJOR)
set(kvstrata_redis_needs "hiredis")
set(kvstrata_redis_package libhiredis-dev)

# Makes the target kvstrata::libNAME of the library that the component needs, where it is found.
function(kvstrata_find_library component)
  if(TARGET kvstrata::lib${component})
    return()
  endif()
  list(GET kvstrata_${component}_library 0 header)
  list(GET kvstrata_${component}_library 1 library)
  list(GET kvstrata_${component}_library 2 sign)
  string(TOUPPER "KVSTRATA_LIB${component}" name)
  find_path(${name}_INCLUDE_DIR ${header})
  find_library(${name}_LIBRARY ${library})
  mark_as_advanced(${name}_INCLUDE_DIR ${name}_LIBRARY)
  if(NOT ${name}_INCLUDE_DIR OR NOT ${name}_LIBRARY)
    return()
  endif()
  file(STRINGS "${${name}_INCLUDE_DIR}/${header}" is_new REGEX "${sign}")
  if(is_new)
    add_library(kvstrata::lib${component} UNKNOWN IMPORTED GLOBAL)
    set_target_properties(kvstrata::lib${component} PROPERTIES IMPORTED_LOCATION "${${name}_LIBRARY}"
                                                               INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIR}")
    if(component STREQUAL "redis" AND EXISTS "${${name}_INCLUDE_DIR}/hiredis/hiredis_ssl.h")  # TLS, where it lies beside it
      set_target_properties(kvstrata::lib${component} PROPERTIES INTERFACE_LINK_LIBRARIES "hiredis_ssl;ssl;crypto")
    endif()
  endif()
endfunction()
