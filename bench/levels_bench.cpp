// How much the control plane costs, and how far it is from what is wanted. No device, no data: batches of 8 of a model
// of MTServe's shape (8 layers, 4 heads x 128, bf16; pages of 32 tokens, chunks of 1,024, 40,960 device pages, a host
// tier that never binds), served by default_cache and mtserve_cache.
//
//   streams    instructions a batch as callgrind counts them, pieces of copies, tokens served from device and host:
//              S1, sessions, nobody is on the device when they come back; S3, requests minute by minute, about nine of
//              ten on the device, and on 10,240 device pages
//   one_page   a user is a page of one token, one tier, one layer; 10,000 pages, users log-uniform: instructions of a
//              hit in a batch of 64, of a hit alone, and of a miss (in a batch of 64)
//   blocks     a context of 100 blocks of 100 tokens, all in the slab: instructions a block, from a list of blocks to page tables, a
//              tenth of each computed anew, and with the lease and all
//   bytes      of the heap for a user of 40,000 tokens who is in the host tier alone, and for a user of one page when
//              1,000,000 are in the host tier and a tenth of them on the device; frames included
//   time       a batch, beside an older checkout (--baseline)
//
// The streams are made of KuaiRand-Pure's sessions where the trace is at hand ($KVSTRATA_DATA, or shared/data beside the
// project), else of sessions drawn with its statistics: support/levels/sessions.hpp and streams.hpp say how. What serves
// them is a program of its own (support/levels/subject.cpp), so that another checkout can be measured with the same
// lines. At the end one line a target: TARGET name value wanted met|short stream. Memory: 1 GB, twice that for times.
#include "command_line/source_dir.hpp"
#include "support/levels/baseline.hpp"
#include "support/levels/measure.hpp"
#include "support/levels/options.hpp"
#include "support/levels/recorded.hpp"
#include "support/levels/scratch_folder.hpp"
#include "support/levels/streams.hpp"
#include "support/levels/targets.hpp"
#include "support/levels/timing.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace levels;

std::filesystem::path kuairand_folder()
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  const std::filesystem::path data =
      set != nullptr ? std::filesystem::path(set) : tools::source_dir() / "../shared/data";
  return data / "kuairand-pure-2w";
}

session_log choose_sessions(const options& o)
{
  const bool here = std::filesystem::exists(kuairand_folder());
  if (o.stream == "kuairand" && !here)
    throw std::runtime_error("KuaiRand-Pure is not at " + kuairand_folder().string());
  return here && o.stream != "synthetic" ? real_sessions(kuairand_folder()) : drawn_sessions();
}

class bench_run
{
 public:
  bench_run(const options& o, const std::filesystem::path& folder)
      : options_(o),
        blocks_(folder / "levels_blocks_subject"),
        mine_(folder / "levels_subject"),
        valgrind_(valgrind_is_here())
  {
    if (o.baseline.empty()) return;
    std::printf("compiling the baseline\n");
    compile_baseline(o.baseline, scratch_ / "levels_subject_baseline");
    theirs_.emplace(scratch_ / "levels_subject_baseline");
  }

  void go()
  {
    if (options_.wants("streams") || options_.wants("time")) prepare_streams();
    if (options_.wants("streams")) measure_streams();
    if (options_.wants("one_page")) measure_one_page();
    if (options_.wants("blocks")) measure_blocks();
    if (options_.wants("bytes")) measure_bytes();
    if (options_.wants("time")) measure_time();
    std::printf("\n");
    board_.print_all();
  }

  [[nodiscard]] const scoreboard& board() const noexcept { return board_; }

 private:
  static constexpr std::size_t s1_from = 8'000, s1_to = 10'000, s3_from = 15'000, s3_to = 20'000;

  [[nodiscard]] std::string file(const std::string& name, const stream& s)
  {
    const std::string path = (scratch_ / name).string();
    write_stream(s, path);
    return path;
  }

  void prepare_streams()
  {
    const session_log log = choose_sessions(options_);
    name_ = log.name;
    const stream s1 = session_stream(log, s1_to), s3 = window_stream(log, s3_to);
    s1_ = {"", file("s1", s1), 40'960, roomy_host_pages(s1), s1_from, s1_to};
    s3_ = {"", file("s3", s3), 40'960, roomy_host_pages(s3), s3_from, s3_to};
  }

  [[nodiscard]] static scene with(scene s, const char* cache, std::size_t device_pages)
  {
    s.cache = cache;
    s.device_pages = device_pages;
    return s;
  }

  struct row
  {
    double instructions = 0;  ///< 0: not counted
    served counts;
  };
  row stream_row(const char* what, const subject& who, const char* version, const scene& s)
  {
    const row r{valgrind_ ? who.instructions(s) : 0, who.counts(s)};
    std::printf("  %-16s %-14s %-9s %12.0f %9.1f %9.2f %% %9.2f %%\n", what, s.cache.c_str(), version, r.instructions,
                r.counts.pieces, r.counts.device_percent, r.counts.host_percent);
    std::fflush(stdout);
    return r;
  }

  void measure_streams()
  {
    std::printf("\nbatches of 8, stream %s: S1 batches %zu to %zu, S3 %zu to %zu\n", name_.c_str(), s1_from, s1_to,
                s3_from, s3_to);
    std::printf("  %-16s %-14s %-9s %12s %9s %11s %11s\n", "", "cache", "", "instructions", "pieces", "device", "host");
    struct place
    {
      const char* what;
      const char* name;
      const scene* at;
      std::size_t device_pages;
    };
    std::vector<place> places{{"S1", "s1", &s1_, 40'960}, {"S3", "s3", &s3_, 40'960}};
    if (options_.hold.empty()) places.push_back({"S3, 10,240 pages", "s3_small", &s3_, 10'240});
    for (const place& p : places) {
      for (const char* const cache : {"default", "mtserve"}) {
        const scene s = with(*p.at, cache, p.device_pages);
        const row now = stream_row(p.what, mine_, "", s);
        std::optional<row> before;
        if (theirs_) before = stream_row(p.what, *theirs_, "baseline", s);
        score(std::string(p.name) + "_" + cache, now, before);
      }
    }
  }

  void score(const std::string& name, const row& now, const std::optional<row>& before)
  {
    const std::string counted = name + "_instructions";
    const double wanted = name == "s1_default"   ? 75'000
                          : name == "s3_default" ? 45'000
                          : name == "s3_mtserve" ? 35'000
                                                 : 0;
    if (!valgrind_) board_.skip(counted, "valgrind is not installed (Debian: valgrind)");
    else if (wanted != 0) board_.add({counted, now.instructions, better::less, wanted, name_});
    else board_.note(counted, now.instructions);
    if (name == "s3_default") board_.add({"s3_default_pieces", now.counts.pieces, better::less, 260, name_});
    if (name.starts_with("s3")) {
      const double allowed = name.starts_with("s3_small") ? 0.5 : 0.2;
      const double today = before ? before->counts.device_percent : recorded_device_percent(name_, name);
      board_.add({name + "_device_percent", now.counts.device_percent, better::more, today - allowed, name_});
    }
  }

  void measure_one_page()
  {
    if (!valgrind_) {
      board_.skip("one-page requests", "valgrind is not installed (Debian: valgrind)");
      return;
    }
    constexpr std::uint32_t users = 1'000'000, room = users / 100;
    const auto streams_of = [&](std::uint32_t asked_for, std::size_t batch, std::size_t batches) {
      stream s = everybody_once(room, 1, 64);
      const std::size_t filled = s.batches();
      add_log_uniform(s, asked_for, batch, batches);
      return std::pair(std::move(s), filled);
    };
    const auto add = [&](const char* name, const char* what, std::pair<stream, std::size_t> drawn,
                         std::size_t from_more, double batch, double wanted) {
      const auto& [s, filled] = drawn;
      const scene at{"one_page", file("one_page", s), room, 1, filled + from_more, s.batches()};
      const double each = mine_.instructions(at) / batch;
      std::printf("  %-44s %9.0f", what, each);
      if (theirs_) std::printf(" %9.0f baseline", theirs_->instructions(at) / batch);
      const served c = mine_.counts(at);
      std::printf("   %5.1f %% hits\n", c.device_percent);
      std::fflush(stdout);
      if (wanted != 0) board_.add({name, each, better::less, wanted, ""});
    };
    std::printf("\none-page requests, room for 10,000: instructions a request\n");
    add("one_page_hit_in_64", "a hit in a batch of 64", streams_of(room, 64, 600), 100, 64, 350);
    add("one_page_hit_alone", "a hit alone", streams_of(room, 1, 20'000), 1'000, 1, 900);
    stream new_ones = everybody_once(5 * room, 1, 64);
    const std::size_t filled = (room + 63) / 64 + 100;
    add("one_page_miss", "a miss, in a batch of 64", {std::move(new_ones), filled}, 0, 64, 800);
    if (!options_.hold.empty()) return;
    add("", "among 1,000,000 users, a batch of 64", streams_of(users, 64, 1'600), 1'000, 64, 0);
    add("", "among 1,000,000 users, alone", streams_of(users, 1, 100'000), 60'000, 1, 0);
  }

  void measure_blocks()
  {
    if (!valgrind_) {
      board_.skip("contexts of blocks", "valgrind is not installed (Debian: valgrind)");
      return;
    }
    std::printf("\ncontexts of 100 blocks: instructions a block\n");
    const auto measure = [&](const std::string& action, const char* what) {
      constexpr double counted_blocks = 40.0 * 100;
      const double each =
          counted_by_callgrind(quoted(blocks_.string()) + " " + action + " 60 100", "levels_measured_" + action) /
          counted_blocks;
      std::printf("  %-44s %9.0f\n", what, each);
      std::fflush(stdout);
      return each;
    };
    board_.add({"assembly_block", measure("assembly", "list, page tables, what is computed"), better::less, 400, ""});
    board_.note("leased_block", measure("lease", "the same, prepare, layers, finish"));
  }

  void measure_bytes()
  {
    std::printf("\nbytes of the heap\n");
    const auto measure = [&](const char* name, const char* what, auto&& of, double wanted) {
      const double value = of(mine_);
      std::printf("  %-72s %9.0f", what, value);
      if (theirs_) std::printf(" %9.0f baseline", of(*theirs_));
      std::printf("\n");
      std::fflush(stdout);
      board_.add({name, value, better::less, wanted, ""});
    };
    // What two sizes differ in is the users' own: fixed costs, and those who are on the device, are in both.
    const auto long_users = [&](const subject& who) {
      constexpr std::uint32_t few = 100, many = 1'100, tokens = 40'000;
      const auto taken = [&](std::uint32_t users) {
        const stream s = everybody_once(users, tokens, 1);
        const std::size_t host_pages = std::size_t{users} * 1'280 * 105 / 100;  // whole chunks, and 5 % more
        const heap h = who.bytes({"default", file("long", s), 40'960, host_pages, 0, s.batches()});
        return h.filled - h.without;
      };
      return (taken(many) - taken(few)) / (many - few);
    };
    measure("long_user_bytes", "a user of 40,000 tokens in the host tier", long_users, 600);
    const auto small_users = [&](const subject& who) {
      constexpr std::uint32_t users = 1'000'000;
      const stream s = everybody_once(users, 32, 64);
      const heap h = who.bytes({"default", file("small", s), users / 10, users, 0, s.batches()});
      return (h.filled - h.without) / users;
    };
    measure("one_page_user_bytes", "a user of one page in the host tier, a tenth of 1,000,000 on the device",
            small_users, 120);
  }

  void measure_time()
  {
    if (!theirs_) {
      board_.skip("the time of a batch", "no --baseline was given");
      return;
    }
    std::printf("\ntime of a batch in us, stream %s, %d rounds of blocks in turn: median (low to high)\n",
                name_.c_str(), options_.rounds);
    for (const bool windows : {false, true}) {
      for (const char* const cache : {"default", "mtserve"}) {
        const compared c = time_in_turn(mine_, *theirs_, with(windows ? s3_ : s1_, cache, 40'960), options_.rounds);
        std::printf("  %-4s %-10s %7.2f (%.2f to %.2f)   baseline %7.2f (%.2f to %.2f)   ratio %.3f (%.3f to %.3f)\n",
                    windows ? "S3" : "S1", cache, c.us.median, c.us.low, c.us.high, c.baseline.median, c.baseline.low,
                    c.baseline.high, c.ratio.median, c.ratio.low, c.ratio.high);
        std::fflush(stdout);
        if (std::string(cache) != "default") continue;
        board_.add({windows ? "s3_default_time_ratio" : "s1_default_time_ratio", c.ratio.median, better::less,
                    windows ? 0.30 : 0.50, name_});
      }
    }
  }

  options options_;
  std::filesystem::path blocks_;
  scratch_folder scratch_;
  subject mine_;
  std::optional<subject> theirs_;
  bool valgrind_;
  std::string name_;
  scene s1_, s3_;
  scoreboard board_;
};

}  // namespace

int main(int argc, char** argv)
try {
  const options o = parse({argv, static_cast<std::size_t>(argc)});
  bench_run all(o, std::filesystem::read_symlink("/proc/self/exe").parent_path());
  all.go();
  if (o.hold.empty()) return 0;
  const std::vector<std::string> faults = all.board().faults(o.hold, o.only);
  for (const std::string& fault : faults) std::printf("%s\n", fault.c_str());
  return faults.empty() ? 0 : 1;
} catch (const std::exception& wrong) {
  std::fprintf(stderr, "levels_bench: %s\n", wrong.what());
  return 2;
}
