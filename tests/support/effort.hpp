// How long the long tests are: short under sanitizers, which make everything ten times slower, or when asked for.
#pragma once

#if defined(KVSTRATA_QUICK) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KVSTRATA_TEST_EFFORT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KVSTRATA_TEST_EFFORT 1
#endif
#endif
#ifndef KVSTRATA_TEST_EFFORT
#define KVSTRATA_TEST_EFFORT 6
#endif

namespace kvstrata_test {

inline constexpr int effort = KVSTRATA_TEST_EFFORT;

}  // namespace kvstrata_test
