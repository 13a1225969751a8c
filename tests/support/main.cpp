// main() of every Catch2 test executable, compiled once. An executable in which no test ran fails, unless it says why; its
// command line is read, and its tests are listed, in any case.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <cstdio>
#include <cstring>

/// A program may define this, and return why none of its tests can run on this machine; nullptr: they can.
[[gnu::weak]] const char* why_skipped();

int main(int argc, char** argv)
{
  Catch::Session session;
  if (const int wrong = session.applyCommandLine(argc, argv); wrong != 0) return wrong;
  auto& config = session.configData();
  if (const char* const reason = why_skipped == nullptr || config.listTests ? nullptr : why_skipped()) {
    const char* const slash = std::strrchr(argv[0], '/');
    std::printf("SKIPPED: %s because %s\n", slash == nullptr ? argv[0] : slash + 1, reason);
    return 0;
  }
#if !__has_include(<catch2/catch_all.hpp>)
  config.warnings = static_cast<Catch::WarnAbout::What>(config.warnings | Catch::WarnAbout::NoTests);
#endif
  return session.run();
}
