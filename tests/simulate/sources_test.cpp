#include "sources.hpp"
#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>
#include <kvstrata/simulate/readers/zipf.hpp>
#include <kvstrata/simulate/write_trace.hpp>

#include <algorithm>
#include <cmath>
#include <map>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

accesses random_accesses(std::uint64_t seed, std::size_t count, std::uint32_t keys)
{
  random_source random(seed);
  accesses all(count);
  for (trace_access& one : all) one.key = random.below(keys);
  return all;
}

constexpr std::string_view kuairand_text =
    "user_id\tvideo_id\ttime_ms\tis_click\tis_like\tis_follow\tis_comment\tis_forward\tis_hate\tlong_view\n"
    "7\t1\t1000\t0\t0\t0\t0\t0\t0\t0\n"
    "8\t1\t2000\t0\t0\t0\t0\t0\t0\t0\n"
    "7\t2\t3000\t0\t0\t0\t0\t0\t0\t0\n"
    "7\t2\t9000000\t0\t0\t0\t0\t0\t0\t0\n";

}  // namespace

TEST_CASE("a trace in memory is read as often as one likes")
{
  const accesses all = random_accesses(1, 100, 10);
  memory_source source(all, "mine");
  CHECK(source.name() == "mine");
  CHECK(source.progress() == 0);
  for (std::size_t chunk = 1; chunk <= 101; ++chunk) {
    REQUIRE(read_in_chunks(source, chunk) == all);
    REQUIRE(source.progress() == 1);
    source.rewind();
  }
  CHECK(source.read({}) == 0);
  CHECK(read_all(source) == all);
  CHECK(std::equal(all.begin(), all.end(), source.accesses().begin(), source.accesses().end()));
  CHECK(read_all(memory_source({})).empty());
}

TEST_CASE("with_future tells of every access when its key comes again")
{
  for (const std::uint32_t keys : {1U, 3U, 50U, 100'000U}) {
    accesses all = random_accesses(keys, 3000, keys);
    all[5].next_request = 17;  // whatever it was
    memory_source before(all, "x");
    const memory_source told = with_future(before);
    CHECK(told.name() == "x");
    REQUIRE(told.accesses().size() == all.size());
    for (std::size_t k = 0; k < all.size(); ++k) {
      const auto same = [&](const trace_access& later) { return later.key == all[k].key; };
      const auto next = std::find_if(all.begin() + static_cast<std::ptrdiff_t>(k) + 1, all.end(), same);
      const std::uint64_t expected =
          next == all.end() ? reuse_hint::never : static_cast<std::uint64_t>(next - all.begin());
      REQUIRE(told.accesses()[k].next_request == expected);
    }
  }
  CHECK(with_future(memory_source({})).accesses().empty());
}

TEST_CASE("requests of users are accesses with the user's length at that time")
{
  trace t = random_trace(4, 12, 200);
  t.requests = make_requests(t, {.stream = request_stream::interaction});
  const std::vector<trace_request> requests = t.requests;
  request_source source(t, 100);
  CHECK(source.held().requests == requests);
  CHECK(source.name() == "random");
  for (const std::size_t chunk : {1U, 3U, 10'000U}) {
    source.rewind();
    const accesses all = read_in_chunks(source, chunk);
    REQUIRE(all.size() == requests.size());
    for (std::size_t r = 0; r < all.size(); ++r) {
      const std::uint64_t tokens = requests[r].history;
      const trace_access expected{.key = 100 + std::uint64_t{requests[r].user},
                                  .time_ms = requests[r].time_ms,
                                  .bytes = tokens == 0 ? 1 : tokens * 100,
                                  .tokens = requests[r].history};
      REQUIRE(all[r] == expected);
    }
  }
  CHECK_THROWS_WITH(request_source(t, 0), says("token_bytes is 0, but it must be at least 1"));
  CHECK_THROWS_WITH(request_source(t, (1U << 28) + 1), says("token_bytes is 268435457, but it may be at most 2^28"));
  CHECK_THROWS_AS(request_source(t, (std::uint64_t{1} << 32) + 1), config_error);
}

TEST_CASE("KuaiRand's users ask in the order of time, and of one time in the order of the log")
{
  struct row
  {
    std::int64_t time_ms;
    std::uint64_t user;
  };
  const scratch_folder folder;
  random_source random(6);
  for (const std::uint32_t times : {1U, 5U, 300U}) {
    std::vector<row> rows;
    std::string text(kuairand_text.substr(0, kuairand_text.find('\n') + 1));
    for (int k = 0; k < 400; ++k) {
      rows.push_back({std::int64_t{random.below(times)} * 600'000, random.below(30)});
      text +=
          std::to_string(rows.back().user) + "\t1\t" + std::to_string(rows.back().time_ms) + "\t0\t0\t0\t0\t0\t0\t0\n";
    }
    std::stable_sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.time_ms < b.time_ms; });
    std::vector<std::uint64_t> events;
    std::vector<std::uint64_t> sessions;
    std::map<std::uint64_t, std::int64_t> last;
    for (const row& r : rows) {
      events.push_back(r.user);
      const bool first = last.find(r.user) == last.end();
      if (first || r.time_ms - last[r.user] > 30 * 60 * 1000) sessions.push_back(r.user);
      last[r.user] = r.time_ms;
    }
    const std::filesystem::path log = folder.write("log.tsv", text);
    kuairand_options options;
    CHECK((keys_of(read_all(kuairand_accesses(log, options))) == sessions));
    options.requests.stream = request_stream::interaction;
    const request_source all = kuairand_accesses(log, options);
    CHECK((keys_of(read_all(request_source(all))) == events));
    CHECK_NOTHROW(check(all.held()));
  }
}

TEST_CASE("the synthetic workload asks the same with its events and without")
{
  for (const std::uint64_t first : {0U, 20U}) {
    const synthetic_config config{.users = 30, .days = 3, .requests = first, .history_scale = 0.01};
    const trace whole = make_synthetic(config);
    REQUIRE(whole.requests.size() >= 20);
    const trace bare = draw_synthetic_requests(config);
    CHECK(bare.requests == whole.requests);
    CHECK(bare.users == whole.users);
    CHECK(bare.earlier == whole.earlier);
    CHECK(bare.events.empty());
    CHECK(read_all(synthetic_accesses(config, 3)) == read_all(request_source(whole, 3)));
  }
}

TEST_CASE("Zipf's keys come as often as their ranks say, in any chunks")
{
  constexpr std::uint64_t count = 200'000;
  for (const double exponent : {0.0, 0.7, 1.0, 1.0000001, 1.3, 3.0}) {
    for (const std::uint64_t keys : {1U, 2U, 50U}) {
      CAPTURE(exponent, keys);
      const zipf_config config{.keys = keys, .exponent = exponent, .requests = count, .seed = 9};
      std::vector<double> seen(keys, 0);
      double sum = 0;
      for (const trace_access& one : read_all(zipf_source(config))) seen.at(one.key) += 1;
      for (std::uint64_t k = 1; k <= keys; ++k) sum += std::pow(static_cast<double>(k), -exponent);
      double distance = 0;  // chi squared: its mean is keys - 1, its variance twice that
      for (std::uint64_t k = 1; k <= keys; ++k) {
        const double expected = static_cast<double>(count) * std::pow(static_cast<double>(k), -exponent) / sum;
        distance += (seen[k - 1] - expected) * (seen[k - 1] - expected) / expected;
      }
      const auto freedom = static_cast<double>(keys - 1);
      CHECK(distance <= freedom + 5 * std::sqrt(2 * freedom) + 1e-9);
    }
  }

  const zipf_config config{.keys = 1'000'000'000, .requests = 1000, .scattered = true, .bytes = 7};
  zipf_source source(config);
  const accesses all = read_in_chunks(source, 1000);
  CHECK(source.progress() == 1);
  CHECK(all.back().bytes == 7);
  CHECK(all.back().time_ms == 999);
  for (const std::size_t chunk : {1U, 7U, 5000U}) {
    source.rewind();
    CHECK(source.progress() == 0);
    CHECK(read_in_chunks(source, chunk) == all);
  }
  zipf_config plain = config;
  plain.scattered = false;
  const accesses ranks = read_all(zipf_source(plain));
  for (std::size_t k = 0; k < all.size(); ++k) REQUIRE(all[k].key == scatter_bits(ranks[k].key));
  plain.seed = 2;
  CHECK_FALSE(read_all(zipf_source(plain)) == ranks);
}

TEST_CASE("a Zipf workload that cannot be is refused")
{
  CHECK_THROWS_WITH(zipf_source({.bytes = most_object_bytes + 1}), says("but it may be at most 2^60"));
  CHECK_THROWS_WITH(zipf_source({.keys = 0}), says("zipf_config.keys is 0, but it must be at least 1"));
  CHECK_THROWS_WITH(zipf_source({.keys = (std::uint64_t{1} << 48) + 1}), says("it may be at most 2^48"));
  CHECK_THROWS_WITH(zipf_source({.exponent = -0.5}), says("zipf_config.exponent is -0.500000, but it must be from 0"));
  CHECK_THROWS_AS(zipf_source({.exponent = std::nan("")}), config_error);
  CHECK_THROWS_AS(zipf_source({.requests = 0}), config_error);
  CHECK_THROWS_AS(zipf_source({.bytes = 0}), config_error);
}

TEST_CASE("open_trace knows the formats by their names")
{
  const scratch_folder folder;
  const auto keys = [&](std::string_view name, std::string_view bytes, const trace_options& options = {}) {
    any_source source = open_trace(folder.write(name, bytes), options);
    const std::size_t slash = name.rfind('/');
    CHECK(source.name() == name.substr(slash == std::string_view::npos ? 0 : slash + 1));
    return keys_of(read_all(source));
  };
  using numbers = std::vector<std::uint64_t>;
  const std::string record = oracle_record(1, 5, 1, -1);
  CHECK(keys("a.oracleGeneral.bin", record) == numbers{5});
  CHECK(keys("a.oracleGeneral", record) == numbers{5});
  CHECK(keys("a.i32be", "aaaa") == numbers{0x61616161});
  CHECK(keys("a.trc.bin", "aaaa") == numbers{0x61616161});
  CHECK(keys("web12.bin", "aaaa") == numbers{0x61616161});
  CHECK(keys("a.txt", "5\n*\n") == numbers{5});
  CHECK(keys("a.trc", "5\n*\n") == numbers{5});
  CHECK(keys("a.lis", "5 2 0 0\n") == numbers{5, 6});
  CHECK(keys("a.jsonl", "{\"timestamp\": 1, \"hash_ids\": [5]}\n") == numbers{5});
  CHECK(keys("a.csv", "1,5,2\n") == numbers{5});
  CHECK(keys("a.tsv", "1\t5\t2\n") == numbers{5});
  CHECK(keys("a.csv", "1,5,2\n", {.csv = {.id = "3"}}) == numbers{2});
  CHECK(keys("a.dat", "5 2 0 0\n", {.format = trace_format::arc_lis}) == numbers{5, 6});

  const std::filesystem::path log = folder.write("pure/log_standard.tsv", kuairand_text);
  const accesses sessions{{.key = 7, .time_ms = 1000, .bytes = 1, .tokens = 0},
                          {.key = 8, .time_ms = 2000, .bytes = 1, .tokens = 0},
                          {.key = 7, .time_ms = 9000000, .bytes = 32768, .tokens = 2}};
  CHECK(read_all(open_trace(log)) == sessions);
  CHECK(read_all(open_trace(folder.path() / "pure")) == sessions);
  CHECK(open_trace(log).name() == "pure");
  trace_options all_events{.token_bytes = 10};
  all_events.kuairand.requests.stream = request_stream::interaction;
  const accesses events = read_all(open_trace(log, all_events));
  REQUIRE(events.size() == 4);
  CHECK(events.back().bytes == 20);
  CHECK(find_format(log) == trace_format::kuairand);

  CHECK_THROWS_WITH(open_trace(folder.path() / "none.csv"), says("none.csv: no such file or folder"));
  CHECK_THROWS_WITH(open_trace(folder.write("a.zst", "x")), says("a.zst: the name does not tell the format"));
  CHECK_THROWS_WITH(open_trace(folder.write("e.csv", "")), says("e.csv: the file is empty"));
  CHECK_THROWS_WITH(open_trace(log, {.format = static_cast<trace_format>(99)}),
                    says("trace_options.format is 99, but there is no such format"));
  CHECK_THROWS_AS(open_trace(folder.write("d.csv", "1,2\n"), {.csv = {.id = "0"}}), config_error);
  const std::filesystem::path empty = folder.path() / "empty";
  std::filesystem::create_directory(empty);
  CHECK_THROWS_WITH(open_trace(empty), says("the folder holds no log_standard"));
}

TEST_CASE("a source whose type is forgotten still tells its name and progress, and moves")
{
  struct silent
  {
    std::size_t left = 3;
    std::size_t read(std::span<trace_access> out)
    {
      const std::size_t count = (std::min)(left, out.size());
      left -= count;
      return count;
    }
    [[nodiscard]] std::string_view name() const { return "silent"; }
  };
  any_source source = silent{};
  CHECK(source.progress() == 0);
  CHECK(source.name() == "silent");
  any_source moved = std::move(source);
  CHECK(read_all(moved).size() == 3);
  moved = memory_source(random_accesses(1, 10, 4), "ten");
  accesses out(4);
  CHECK(moved.read(out) == 4);
  CHECK(moved.progress() == Approx(0.4));
  CHECK(moved.name() == "ten");
}

TEST_CASE("what is written is read again")
{
  const scratch_folder folder;
  random_source random(8);
  accesses all(10'000);
  for (trace_access& one : all) {
    one = {.key = random.below(700) * 0x123456789abcdefU,
           .time_ms = 1650812741436 + random.below(2'000'000'000),
           .bytes = 1 + random.below(0xfffffffeU)};
  }
  const std::filesystem::path csv = folder.path() / "x.csv";
  CHECK(write_csv(memory_source(all), csv) == all.size());
  CHECK((read_all(open_trace(csv)) == all));

  fill_next_requests(all);
  const std::filesystem::path binary = folder.path() / "x.oracleGeneral.bin";
  CHECK(write_oracle_general(memory_source(all), binary) == all.size());
  for (trace_access& one : all) one.time_ms -= one.time_ms % 1000;
  CHECK((read_all(open_trace(binary)) == all));
  CHECK((write_oracle_general(with_future(open_trace(csv)), binary) == all.size()));
  CHECK((read_all(open_trace(binary)) == all));
  if (const auto real = find_data("cloudphysics/cloudPhysicsIO.oracleGeneral.bin")) {
    write_oracle_general(open_trace(*real), binary);
    CHECK(complaint([&] { return open_trace(binary); }) == "none");
    CHECK((read_all(open_trace(binary)) == read_all(open_trace(*real))));
  }
}

TEST_CASE("what a format cannot hold is not written")
{
  const scratch_folder folder;
  const std::filesystem::path file = folder.path() / "x.bin";
  const auto told = [&](const trace_access& broken) -> std::string {
    std::filesystem::remove(file);
    try {
      write_oracle_general(memory_source(accesses{{.next_request = reuse_hint::never}, broken}), file);
    } catch (const data_error& problem) {
      CHECK_FALSE(std::filesystem::exists(file));
      return std::string(problem.what()).substr(file.string().size());
    }
    return "none";
  };
  constexpr std::uint64_t never = reuse_hint::never;
  CHECK(told({.next_request = never}) == "none");
  CHECK(told({}) == ": access 2 does not tell when its key comes again, and the format needs it");
  CHECK(told({.bytes = std::uint64_t{1} << 32, .next_request = never}) ==
        ": access 2: the size is 4294967296, but it may be at most 4294967295");
  CHECK(told({.time_ms = 4294967296000, .next_request = never}) ==
        ": access 2: the time in seconds is 4294967296, but it may be at most 4294967295");
  CHECK(told({.time_ms = -1, .next_request = never}) == ": access 2: the time lies before 1970");
  CHECK_THROWS_WITH(write_csv(memory_source(accesses{{.time_ms = -1}}), file),
                    says("access 1: the time lies before 1970"));
  CHECK_FALSE(std::filesystem::exists(file));
  CHECK_THROWS_WITH(write_csv(memory_source({}), folder.path()), says("cannot be written"));
  CHECK_THROWS_WITH(write_csv(memory_source({}), folder.path() / "no" / "x"), says("cannot be written"));
  if (std::filesystem::exists("/dev/full")) {
    CHECK_THROWS_WITH(write_csv(memory_source(accesses(100'000)), "/dev/full"), says("/dev/full: writing failed"));
    CHECK(std::filesystem::exists("/dev/full"));
  }
}

TEST_CASE("no file makes a reader crash, run on without end or forget how far it is")
{
  const scratch_folder folder;
  const std::map<std::string, std::string> whole{
      {"a.oracleGeneral.bin", oracle_record(1, 5, 1, 2) + oracle_record(2, 5, 1, 3) + oracle_record(9, 5, 1, -1)},
      {"a.i32be", "abcdefghijkl"},
      {"a.txt", "17\n*\n18\r\n19"},
      {"a.lis", "5 2 0 0\n123 4 0 1\n77 1 0 2\n"},
      {"a.jsonl",
       "{\"timestamp\": 1, \"x\": [{\"y\": \"\\\"\"}], \"hash_ids\": [5, 6]}\n{\"timestamp\": 2, \"hash_ids\": []}\n"},
      {"a.csv", "time,id,size\n1.5,5,2\n2,6,3\n"},
      {"b.csv", "1,5,2\n2,6,3\n"},
      {"c.tsv", std::string(kuairand_text)}};
  random_source random(11);
  std::size_t read = 0;
  std::size_t refused = 0;
  const auto attempt = [&](const std::string& name, const std::string& bytes) {
    CAPTURE(name, bytes);
    const std::filesystem::path file = folder.write(name, bytes);
    try {
      any_source source = open_trace(file);
      accesses out(3);
      double before = 0;
      for (std::size_t chunks = 0; chunks < 1000 && source.read(out) != 0; ++chunks) {  // a run may be long
        REQUIRE(source.progress() >= before);
        REQUIRE(source.progress() <= 1);
        before = source.progress();
      }
      ++read;
    } catch (const data_error& problem) {
      REQUIRE(std::string(problem.what()).find(folder.path().string()) == 0);
      ++refused;
    }
  };
  for (const auto& [name, bytes] : whole) {
    for (std::size_t length = 0; length <= bytes.size(); ++length) attempt(name, bytes.substr(0, length));
    for (int k = 0; k < 60; ++k) {
      std::string changed = bytes;
      for (std::uint32_t i = 0; i <= random.below(3); ++i) {
        const std::uint32_t at = random.below(static_cast<std::uint32_t>(changed.size()));
        constexpr std::string_view nasty = "\"{}[],:\\-.e0915 \n\r\t*\0\x7f";
        if (random.below(2) == 0) changed[at] = static_cast<char>(random.below(256));
        else changed.insert(at, 1, nasty[random.below(static_cast<std::uint32_t>(nasty.size()))]);
      }
      attempt(name, changed);
    }
    for (int k = 0; k < 30; ++k) {
      std::string noise(random.below(200), '\0');
      for (char& c : noise) c = static_cast<char>(random.below(256));
      attempt(name, noise);
    }
  }
  CHECK(read >= 100);
  CHECK(refused >= 100);
}
