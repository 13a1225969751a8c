// A few kills of a process that writes to a real file. `./dev bench crash` does it hundreds of times.
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "tiers/nvme/crash_program.hpp"
#include "tiers/nvme/temp_store.hpp"

TEST_CASE("nvme_file after kill -9: all that was durable, nothing erased, no wrong byte, no hang")
{
  const kvstrata_test::temp_folder folder;
  kvstrata_test::crash_program_config c;
  c.kills = 2 * kvstrata_test::effort;
  c.seed = 7;
  c.rounds_of_a_file = 5;
  c.bytes = 64ULL << 20U;
  c.folder = folder.path("");
  const auto report = kvstrata_test::crash_program(c).run();
  INFO(report.checks.text());
  CHECK(report.kills == c.kills);
  CHECK(report.hangs == 0);
  CHECK(report.checks.faults() == 0);
  CHECK(report.checks.looked != 0);
}
