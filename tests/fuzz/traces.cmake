# The readers of traces: from nothing, and a test a format from its folder of corpus/, small files shaped like real ones.
fuzz_target(traces 2000 2048)
foreach(packing zstd zlib)
  if(TARGET kvstrata::${packing})
    string(TOUPPER ${packing} upper)
    target_link_libraries(fuzz_traces PRIVATE kvstrata::${packing})
    target_compile_definitions(fuzz_traces PRIVATE FUZZ_HAS_${upper})
  endif()
endforeach()

function(fuzz_traces name runs longest format)
  file(GLOB seeds CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/trace_${name}/*")
  list(JOIN seeds "," seeds)  # named one by one: into a folder it would write
  add_test(NAME fuzz_traces_${name}
           COMMAND fuzz_traces -runs=${runs} -seed=1 -max_len=${longest} -print_final_stats=1 --format=${format}
                   "-artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/traces_${name}_" "-seed_inputs=${seeds}")
  set_tests_properties(fuzz_traces_${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endfunction()

foreach(format oracle_general csv arc_lis lirs_blocks cache2k cache2k_64 mooncake kuairand)
  fuzz_traces(${format} 2000 2048 ${format})
endforeach()
fuzz_traces(packed 500 256 csv)  # a few bytes may stand for many
