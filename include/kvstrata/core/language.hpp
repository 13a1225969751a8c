// What a compiler must be told, said in a sentence before the first error that would follow.
#pragma once

#if !defined(_MSVC_LANG) && __cplusplus < 201709L  // what g++ 10 makes of -std=c++20
#error "kvstrata is written in C++20: compile with -std=c++20, or target_compile_features(... cxx_std_20)"
#endif

#if !defined(__cpp_exceptions) && !defined(__EXCEPTIONS) && !defined(_CPPUNWIND) && !defined(__CUDA_ARCH__)
#error \
    "kvstrata reports misuse by exceptions, and gives back by them what it had taken: compile without -fno-exceptions"
#endif
