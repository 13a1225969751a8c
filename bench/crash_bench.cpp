// What an nvme_file has after kill -9: a writer of several threads is killed at random moments, also while it recovers, with
// erasing, rewriting and epochs under way; after each kill a fresh process looks for every record, and reads it.
//
//   crash_bench [--kills 300] [--seed 1] [--folder /tmp]
//
// Kills alone prove little: what a process has given to the kernel survives them. What drives may lose is replayed by
// tests/tiers/nvme/nvme_cut_test.cpp.
#include "support/target.hpp"
#include "tiers/nvme/crash_program.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

namespace {

int usage()
{
  std::fprintf(stderr, "crash_bench [--kills N] [--seed N] [--folder DIR]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv)
{
  kvstrata_test::crash_program_config c;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc) return usage();
    const std::string value = argv[i + 1];
    char* end = nullptr;
    const unsigned long long number = std::strtoull(value.c_str(), &end, 10);
    if (option == "--folder") c.folder = value;
    else if (*end != '\0' || value.empty()) return usage();
    else if (option == "--kills") c.kills = static_cast<std::uint32_t>(number);
    else if (option == "--seed") c.seed = number;
    else return usage();
  }
  try {
    const kvstrata_test::crash_program_report r = kvstrata_test::crash_program(c).run();
    const auto say = [](const char* what, std::uint64_t count) {
      std::printf("%-58s %10llu\n", what, static_cast<unsigned long long>(count));
    };
    say("kills", r.kills);
    say("  before the store was open", r.in_recovery);
    say("  in the midst of an I/O", r.by_itself);
    say("  with calls under way", r.under_way);
    say("writers that came to their end", r.clean_ends);
    say("messages heard", r.messages);
    say("flushes done", r.flushes);
    say("erasures", r.erasures);
    say("puts refused or lost", r.puts_lost);
    say("stores opened again", r.checks.states);
    say("sequences looked for", r.checks.looked);
    say("  found and read", r.checks.got);
    for (const std::string& sentence : r.checks.sentences) std::printf("%s\n", sentence.c_str());
    using bench::better;
    const auto target = [](const char* name, std::uint64_t value, better way, double wanted) {
      print(bench::target{.name = name, .value = static_cast<double>(value), .way = way, .wanted = wanted});
    };
    target("crash.kills", r.kills, better::more, c.kills);
    target("crash.durable_records_lost", r.checks.lost, better::less, 0);
    target("crash.wrong_bytes", r.checks.wrong_bytes, better::less, 0);
    target("crash.erased_users_found", r.checks.erased, better::less, 0);
    target("crash.old_lives_found", r.checks.stale, better::less, 0);
    target("crash.hangs", r.hangs, better::less, 0);
    target("crash.misbehaved", r.checks.misbehaved, better::less, 0);
    return r.checks.faults() + r.hangs == 0 && r.kills >= c.kills ? 0 : 1;
  } catch (const std::exception& thrown) {
    std::fprintf(stderr, "crash_bench: %s\n", thrown.what());
    return 1;
  }
}
