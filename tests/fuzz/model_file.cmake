# The fuzz target of model files: what it reads is compiled into it, so that libFuzzer sees its branches.
fuzz_target(model_file 60000 4096)
set(sources head.cpp model_file.cpp safetensors.cpp safetensors_header.cpp weights.cpp)
list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/models/hstu/")
target_sources(fuzz_model_file PRIVATE ${sources})
target_include_directories(fuzz_model_file PRIVATE "${PROJECT_SOURCE_DIR}/models")
