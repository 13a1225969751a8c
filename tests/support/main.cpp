// main() of every Catch2 test executable, compiled once. An executable in which no test ran fails.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

int main(int argc, char** argv)
{
  Catch::Session session;
#if !__has_include(<catch2/catch_all.hpp>)
  auto& config = session.configData();
  config.warnings = static_cast<Catch::WarnAbout::What>(config.warnings | Catch::WarnAbout::NoTests);
#endif
  return session.run(argc, argv);
}
