# What tools/gpu_replay shares with the replay: what shows results, and what is served and written down of it. Neither
# runs a model, so the tests see them without one.
include_guard(GLOBAL)
set(replay_folder "${CMAKE_CURRENT_LIST_DIR}")

set(parts "${CMAKE_CURRENT_BINARY_DIR}/report_parts.cpp")
set(files report.html report.css chart.js report.js)
list(TRANSFORM files PREPEND "${replay_folder}/")
list(JOIN files "," joined)
add_custom_command(
  OUTPUT "${parts}"
  COMMAND "${CMAKE_COMMAND}" "-DTO=${parts}" -DHEADER=replay/report_parts.hpp -DNAMESPACE=replay::parts "-DFILES=${joined}"
          -P "${replay_folder}/embed.cmake"
  DEPENDS "${replay_folder}/embed.cmake" ${files}
  COMMENT "Embedding the report's page"
  VERBATIM)

set(sources agreement.cpp case_list.cpp codec_cases.cpp options.cpp sentences.cpp table.cpp json.cpp report.cpp traces.cpp)
list(TRANSFORM sources PREPEND "${replay_folder}/")
add_library(replay_presentation STATIC ${sources} "${parts}")
target_include_directories(replay_presentation PUBLIC "${PROJECT_SOURCE_DIR}/tools")
target_link_libraries(replay_presentation PUBLIC kvstrata::kvstrata nlohmann_json::nlohmann_json
                                          PRIVATE CLI11::CLI11 kvstrata_warnings)

set(sources serving.cpp sizes.cpp trained_trace.cpp workload.cpp)
list(TRANSFORM sources PREPEND "${replay_folder}/")
add_library(replay_workload STATIC ${sources})
target_link_libraries(replay_workload PUBLIC replay_presentation kvstrata_hstu_plan PRIVATE kvstrata_warnings)
