#include <kvstrata/simulate/sampled_instance.hpp>
#include <kvstrata/simulate/sweep.hpp>

#include "support/catch.hpp"
#include "support/data.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/replacement/sieve.hpp>
#include <kvstrata/simulate/footprint.hpp>
#include <kvstrata/simulate/policy_menu.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/readers/cache2k.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/oracle_general.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using instance_list = std::vector<std::unique_ptr<sweep_instance>>;

/// Skewed keys, sizes that change, times that jump and sometimes run backwards.
std::vector<trace_access> make_accesses(std::size_t count, std::uint64_t seed)
{
  random_source random(seed);
  std::vector<trace_access> out(count);
  std::int64_t now = 1'000'000;
  for (trace_access& one : out) {
    const double part = random.uniform();
    one.key = static_cast<std::uint64_t>(part * part * part * 2000);
    now += random.below(50) == 0 ? 20'000 : std::int64_t{random.below(100)} - 5;
    one.time_ms = now;
    one.tokens = 100 + random.below(900);
    one.bytes = one.tokens * 8;
  }
  return out;
}

template <class Policy, object_size Size>
sweep_misses alone(std::span<const trace_access> accesses, const tier_size& size, std::size_t warmup = 0)
{
  object_cache<Policy, always, Size> cache(size);
  sweep_misses missed;
  for (std::size_t k = 0; k < accesses.size(); ++k) {
    const std::uint64_t held = cache.held_bytes(user_id{accesses[k].key});
    const access_outcome outcome = cache.request(accesses[k]);
    if (k < warmup) continue;
    if (outcome == access_outcome::hit) {  // what has grown since was not there
      if (Size != object_size::unit && accesses[k].bytes > held) missed.bytes += accesses[k].bytes - held;
      continue;
    }
    ++missed.requests;
    missed.bytes += accesses[k].bytes;
    missed.bypassed += outcome == access_outcome::bypassed ? 1 : 0;
  }
  return missed;
}

tier_size objects(std::uint64_t count) { return {.bytes = count, .objects = count}; }

instance_list make_zoo()
{
  instance_list out;
  for (const std::uint64_t count : {1U, 10U, 100U, 1000U}) {
    out.push_back(make_sweep_instance<lru>(objects(count), object_size::unit, {}));
    out.push_back(make_sweep_instance<sieve>(objects(count), object_size::unit, {}));
    const tier_size bytes{.bytes = count * 4000, .objects = count * 10};
    out.push_back(make_sweep_instance<lru>(bytes, object_size::fixed, {}));
    out.push_back(make_sweep_instance<sieve>(bytes, object_size::growing, {}));
  }
  return out;
}

sweep_account run(const std::vector<trace_access>& accesses, const instance_list& zoo, const sweep_options& options)
{
  memory_source source(accesses);
  return run_sweep(source, std::span(zoo), options);
}

/// Throws at the access of a key.
struct throwing : lru
{
  void touch(hook& object, const object_info& info)
  {
    if (info.time_ms == 77) throw std::runtime_error("seventy-seven");
    lru::touch(object, info);
  }
};

/// Lets nobody in whose key is odd.
struct even_only
{
  using option_kind = admission_option;
  std::uint64_t asked = 0;
  void requested(const object_info&) { ++asked; }
  bool admits(const object_info& candidate, const object_info*) const
  {
    return to_number(candidate.user) % 2 == 0 && asked != 0;
  }
};

}  // namespace

TEST_CASE("a sweep counts what each cache counts alone", "[sweep]")
{
  const std::vector<trace_access> accesses = make_accesses(20'000, 1);
  const instance_list zoo = make_zoo();
  const sweep_account account = run(accesses, zoo, {.threads = 1});
  CHECK(account.requests == accesses.size());
  CHECK(account.counted.requests == accesses.size());
  CHECK(account.counted.seconds == 0);
  REQUIRE(account.intervals.size() == 1);
  CHECK(account.intervals.front().asked == account.counted);

  std::size_t k = 0;
  for (const std::uint64_t count : {1U, 10U, 100U, 1000U}) {
    const tier_size bytes{.bytes = count * 4000, .objects = count * 10};
    CHECK(zoo[k++]->misses() == alone<lru, object_size::unit>(accesses, objects(count)));
    CHECK(zoo[k++]->misses() == alone<sieve, object_size::unit>(accesses, objects(count)));
    CHECK(zoo[k++]->misses() == alone<lru, object_size::fixed>(accesses, bytes));
    CHECK(zoo[k++]->misses() == alone<sieve, object_size::growing>(accesses, bytes));
  }
  CHECK(zoo.back()->misses().requests < zoo.front()->misses().requests);
  CHECK(zoo[2]->misses().bypassed != 0);  // some objects are larger than 4000 bytes
  CHECK(zoo.front()->objects() == 1);
  CHECK(zoo.front()->metadata_bytes() != 0);
}

TEST_CASE("neither threads nor the chunk's size change a count", "[sweep]")
{
  const std::vector<trace_access> accesses = make_accesses(20'000, 2);
  const cost_model cost{.seconds_per_token = 1e-6, .seconds_per_pair = 1e-9, .layers = 2};
  const auto counts = [&](unsigned threads, std::size_t chunk, double rate) {
    const instance_list zoo = make_zoo();
    const sweep_account account = run(accesses, zoo,
                                      {.intervals = {.warmup_requests = 999, .every_ms = 50'000},
                                       .sample = rate < 1 ? spatial_sample(rate, 5) : spatial_sample(),
                                       .cost = &cost,
                                       .threads = threads,
                                       .chunk_accesses = chunk});
    std::vector<double> seconds;
    std::vector<sweep_misses> out;
    for (const auto& one : zoo) {
      out.push_back(one->misses());
      out.insert(out.end(), one->series().begin(), one->series().end());
      CHECK((one->error(rate, account.counted.requests) > 0) == (rate < 1));
    }
    for (const trace_interval& one : account.intervals) {
      out.push_back({.requests = one.first_request, .bytes = one.asked.bytes, .seconds = one.asked.seconds});
    }
    for (sweep_misses& one : out) seconds.push_back(std::exchange(one.seconds, 0));
    return std::pair(out, seconds);
  };
  const auto check_same = [](const auto& got, const auto& wanted) {
    CHECK(got.first == wanted.first);
    REQUIRE(got.second.size() == wanted.second.size());
    std::size_t apart = 0;
    for (std::size_t k = 0; k < got.second.size(); ++k) {
      apart += std::abs(got.second[k] - wanted.second[k]) > 1e-9 * wanted.second[k] ? 1U : 0U;
    }
    CHECK(apart == 0);
  };
  for (const double rate : {1.0, 0.3}) {
    const auto wanted = counts(1, 20'000, rate);
    check_same(counts(2, 20'000, rate), wanted);
    check_same(counts(1, 1, rate), wanted);
    check_same(counts(3, 777, rate), wanted);
    check_same(counts(40, 4096, rate), wanted);  // more threads than instances
  }
}

TEST_CASE("what warms up is not counted, and intervals add up", "[sweep]")
{
  const std::vector<trace_access> accesses = make_accesses(20'000, 3);
  const tier_size size = objects(100);
  const auto sum = [](std::span<const sweep_misses> series) {
    sweep_misses out;
    for (const sweep_misses& one : series) out += one;
    return out;
  };

  SECTION("by requests")
  {
    instance_list one;
    one.push_back(make_sweep_instance<lru>(size, object_size::unit, {}));
    const sweep_account account =
        run(accesses, one, {.intervals = {.warmup_requests = 5'500, .every_requests = 1'000}, .chunk_accesses = 512});
    CHECK(account.requests == 20'000);
    CHECK(account.counted.requests == 14'500);
    REQUIRE(account.intervals.size() == 15);
    for (std::size_t k = 0; k < 15; ++k) {
      CHECK(account.intervals[k].first_request == 5'500 + k * 1'000);
      CHECK(account.intervals[k].begin_ms == accesses[5'500 + k * 1'000].time_ms);
      CHECK(account.intervals[k].asked.requests == (k < 14 ? 1'000 : 500));
      const auto upto = [&](std::size_t end) {
        return alone<lru, object_size::unit>(std::span(accesses).first(end), size, 5'500).requests;
      };
      const std::size_t end = (std::min)(std::size_t{20'000}, 6'500 + k * 1'000);
      CHECK(one[0]->series()[k].requests == upto(end) - upto(5'500 + k * 1'000));
    }
    CHECK(one[0]->misses() == alone<lru, object_size::unit>(accesses, size, 5'500));
    CHECK(sum(one[0]->series()) == one[0]->misses());
  }
  SECTION("by time")
  {
    instance_list one;
    one.push_back(make_sweep_instance<lru>(size, object_size::unit, {}));
    const sweep_account account =
        run(accesses, one, {.intervals = {.warmup_requests = 100, .every_ms = 10'000}, .chunk_accesses = 512});
    REQUIRE(account.intervals.size() > 100);
    std::uint64_t requests = 0;
    for (std::size_t k = 0; k < account.intervals.size(); ++k) {
      const trace_interval& here = account.intervals[k];
      CHECK(here.first_request == 100 + requests);
      CHECK((here.begin_ms - accesses[100].time_ms) % 10'000 == 0);
      CHECK(here.begin_ms <= accesses[here.first_request].time_ms);
      CHECK(accesses[here.first_request].time_ms < here.begin_ms + 10'000);
      if (k != 0) CHECK(here.begin_ms > account.intervals[k - 1].begin_ms);
      CHECK(here.asked.requests != 0);
      requests += here.asked.requests;
    }
    CHECK(requests == account.counted.requests);
    CHECK(sum(one[0]->series()) == one[0]->misses());
  }
  SECTION("a warm-up that never ends counts nothing")
  {
    instance_list one;
    one.push_back(make_sweep_instance<lru>(size, object_size::unit, {}));
    const sweep_account account = run(accesses, one, {.intervals = {.warmup_requests = 20'000}});
    CHECK(account.counted == sweep_demand{});
    CHECK(account.intervals.empty());
    CHECK(one[0]->misses() == sweep_misses{});
    CHECK(one[0]->objects() == 100);
    CHECK(miss_ratios(one[0]->misses(), account.counted).requests == 1);  // of nothing, nothing hit
  }
}

TEST_CASE("with a cost model the seconds that a miss costs are counted, and the policy is told", "[sweep]")
{
  const std::vector<trace_access> accesses = make_accesses(3'000, 4);
  struct costs_seen : lru
  {
    void insert(hook& object, const object_info& info)
    {
      if (info.loss_seconds() != access_cost::of(model(), info.tokens).loss_seconds()) throw std::logic_error("cost");
      if (info.recompute_seconds <= 0) throw std::logic_error("no cost");
      lru::insert(object, info);
    }
    static cost_model model()
    {
      return {.seconds_per_token = 2e-6,
              .seconds_per_pair = 1e-9,
              .fetch_seconds_per_token = 1e-6,
              .fetch_latency_seconds = 1e-4,
              .layers = 3};
    }
  };
  const cost_model cost = costs_seen::model();
  instance_list zoo;
  zoo.push_back(make_sweep_instance<costs_seen>(objects(50), object_size::unit, {}));
  zoo.push_back(make_sweep_instance<lru>(objects(1'000'000), object_size::unit, {}));
  const sweep_account account = run(accesses, zoo, {.cost = &cost});

  double asked = 0;
  double first = 0;
  std::unordered_map<std::uint64_t, bool> seen;
  for (const trace_access& one : accesses) {
    const double compute = 3 * (2e-6 * one.tokens + 1e-9 * one.tokens * (one.tokens + 1.0) / 2);
    const double loss = (std::min)(compute, 3 * (1e-4 + 1e-6 * one.tokens));
    asked += loss;
    if (!std::exchange(seen[one.key], true)) first += loss;
  }
  CHECK(account.counted.seconds == Approx(asked));
  CHECK(zoo[1]->misses().seconds == Approx(first));
  CHECK(zoo[0]->misses().seconds > first);
  CHECK(miss_ratios(zoo[1]->misses(), account.counted).seconds == Approx(first / asked));
}

TEST_CASE("an admission policy of run time decides as one of compile time", "[sweep]")
{
  const std::vector<trace_access> accesses = make_accesses(5'000, 5);
  instance_list zoo;
  zoo.push_back(make_sweep_instance<lru>(objects(50), object_size::unit, any_admission(even_only{})));
  zoo.push_back(std::make_unique<sweep_instance_of<lru, even_only>>(objects(50)));
  zoo.push_back(make_sweep_instance<lru>(objects(50), object_size::unit, any_admission()));
  zoo.push_back(make_sweep_instance<lru>(objects(50), object_size::unit, {}));
  run(accesses, zoo, {});
  CHECK(zoo[0]->misses() == zoo[1]->misses());
  CHECK(zoo[0]->misses().bypassed != 0);
  CHECK(zoo[2]->misses() == zoo[3]->misses());
  CHECK(zoo[2]->misses().bypassed == 0);
}

TEST_CASE("faults of policies, sources and options come out of a sweep", "[sweep]")
{
  std::vector<trace_access> accesses(100'000, trace_access{.key = 1});
  accesses[50'000].time_ms = 77;
  for (const unsigned threads : {1U, 2U}) {
    instance_list zoo;
    for (int k = 0; k < 4; ++k) {
      zoo.push_back(make_sweep_instance<lru>(objects(1), object_size::unit, {}));
      zoo.push_back(make_sweep_instance<throwing>(objects(1), object_size::unit, {}));
    }
    CHECK_THROWS_WITH(run(accesses, zoo, {.threads = threads, .chunk_accesses = 1'000}), "seventy-seven");

    struct broken
    {
      int left = 5;
      std::size_t read(std::span<trace_access> out)
      {
        if (left-- == 0) throw data_error("a.csv", 5, "is broken");
        for (trace_access& one : out) one = {.key = 1};
        return out.size();
      }
      static std::string_view name() { return "broken"; }
    } source;
    zoo.clear();
    zoo.push_back(make_sweep_instance<lru>(objects(1), object_size::unit, {}));
    zoo.push_back(make_sweep_instance<lru>(objects(1), object_size::unit, {}));
    CHECK_THROWS_WITH(run_sweep(source, std::span(std::as_const(zoo)), {.threads = threads}), "a.csv:5: is broken");
  }
  const auto refused = [&](const sweep_options& options) { run({}, {}, options); };
  CHECK_THROWS_AS(refused({.intervals = {.every_requests = 1, .every_ms = 1}}), config_error);
  CHECK_THROWS_AS(refused({.intervals = {.every_ms = -1}}), config_error);
  CHECK_THROWS_AS(refused({.threads = 2'000}), config_error);
  CHECK_THROWS_AS(refused({.chunk_accesses = 0}), config_error);
  CHECK_THROWS_AS(refused({.chunk_accesses = std::size_t{1} << 60}), config_error);
  for (const double rate : {0.0, -1.0, 1.5, 1e-9, std::nan("")}) CHECK_THROWS_AS(spatial_sample(rate), config_error);
  CHECK(run({}, {}, {}).requests == 0);
}

TEST_CASE("the menu finds policies by name", "[sweep]")
{
  policy_menu menu;
  menu.add<lru>("lru", "the oldest use first").add<sieve>("sieve", "lazy promotion", true);
  CHECK(menu.find("sieve").needs_future);
  CHECK_FALSE(menu.find("lru").needs_future);
  CHECK_THROWS_WITH(menu.find("mru"), "policy name is 'mru', but it must be one of lru, sieve");
  CHECK_THROWS_AS(menu.add<lru>("lru", "again"), config_error);
  REQUIRE(menu.entries().size() == 2);
  const auto made = menu.find("lru").make(objects(3), object_size::unit, {});
  sweep_chunk chunk;
  for (const std::uint64_t key : {1U, 2U, 3U, 4U, 1U}) chunk.accesses.push_back({.key = key});
  chunk.segments.push_back({.end = 5});
  made->run(chunk);
  CHECK(made->misses().requests == 5);
}

TEST_CASE("a footprint is exact up to its limit and estimated beyond", "[sweep]")
{
  memory_source nothing({});
  CHECK(measure_footprint(nothing).objects == 0);

  std::vector<trace_access> accesses = make_accesses(20'000, 6);
  std::unordered_map<std::uint64_t, std::uint64_t> largest;
  std::uint64_t requested = 0;
  for (const trace_access& one : accesses) {
    largest[one.key] = (std::max)(largest[one.key], one.bytes);
    requested += one.bytes;
  }
  std::uint64_t bytes = 0;
  for (const auto& one : largest) bytes += one.second;
  memory_source source(accesses);
  const footprint f = measure_footprint(source);
  CHECK(f.exact);
  CHECK(f.requests == 20'000);
  CHECK(f.objects == largest.size());
  CHECK(f.bytes == bytes);
  CHECK(f.requested_bytes == requested);
  CHECK(f.smallest_bytes >= 800);
  CHECK(f.is_sized);
  CHECK(f.is_timed);

  footprint_counter counter(4096);
  for (std::uint64_t key = 0; key < 300'000; ++key) counter.add({.key = key / 3, .bytes = 10});
  const footprint estimate = counter.result();
  CHECK_FALSE(estimate.exact);
  const double allowed = 4 * 1.2 / std::sqrt(4096.0);  // four standard errors
  CHECK(std::abs(static_cast<double>(estimate.objects) / 100'000 - 1) < allowed);
  CHECK(std::abs(static_cast<double>(estimate.bytes) / 1'000'000 - 1) < allowed);
  CHECK_FALSE(estimate.is_timed);

  footprint_counter large;
  for (std::uint64_t key = 0; key < 20; ++key) large.add({.key = key, .bytes = most_object_bytes});
  CHECK(large.result().bytes == (std::numeric_limits<std::uint64_t>::max)());
  CHECK(large.result().requested_bytes == (std::numeric_limits<std::uint64_t>::max)());
  constexpr std::uint64_t half = std::uint64_t{1} << 63;
  CHECK(spatial_sample(0.5).scaled({.bytes = 3 * (half / 2), .objects = 2}).bytes == 3 * (half / 4));
}

TEST_CASE("a series goes on over any time", "[sweep]")
{
  constexpr std::int64_t earliest = (std::numeric_limits<std::int64_t>::min)();
  constexpr std::int64_t latest = (std::numeric_limits<std::int64_t>::max)();
  interval_clock clock({.every_ms = 1000});
  CHECK(clock.starts(earliest));
  CHECK_FALSE(clock.starts(earliest + 999));
  CHECK(clock.starts(latest));
  CHECK(clock.begin_ms() == latest - 615);  // 2^64 - 1 ms are whole seconds and 615 ms
  CHECK_FALSE(clock.starts(latest));
}

TEST_CASE("a sample errs on real traces as it says", "[sweep]")
{
  struct real_trace
  {
    std::string name;
    std::vector<trace_access> accesses;
  };
  std::vector<real_trace> traces;
  if (const auto file = kvstrata_test::find_data("cache2k-web12/web12.i32be")) {
    traces.push_back({"web12", read_all(cache2k_source(*file))});
  }
  if (const auto file = kvstrata_test::find_data("cloudphysics/cloudPhysicsIO.oracleGeneral.bin")) {
    traces.push_back({"cloudphysics", read_all(oracle_general_source(*file))});
  }
  if (traces.empty()) SKIP_TEST("no real trace is on this machine");

  for (const real_trace& real : traces) {
    memory_source whole(real.accesses);
    const std::uint64_t keys = measure_footprint(whole).objects;
    std::vector<std::uint64_t> sizes;
    for (const std::uint64_t part : {50U, 10U, 2U}) sizes.push_back(keys / part);
    const auto zoo_for = [&](const spatial_sample& sample) {
      instance_list zoo;
      const auto add = [&](std::uint64_t size, const auto& make) {
        if (sample.takes_all()) zoo.push_back(make(objects(size)));
        else zoo.push_back(std::make_unique<sampled_instance>(objects(size), static_cast<double>(size), sample, make));
      };
      for (const std::uint64_t size : sizes) {
        add(size, [](const tier_size& t) { return make_sweep_instance<lru>(t, object_size::unit, {}); });
        add(size, [](const tier_size& t) { return make_sweep_instance<sieve>(t, object_size::unit, {}); });
      }
      return zoo;
    };
    const instance_list exact = zoo_for({});
    const sweep_account asked = run(real.accesses, exact, {});
    for (const double rate : {0.1, 0.3}) {
      double squares = 0;
      double worst = 0;
      int points = 0;
      for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const spatial_sample sample(rate, seed);
        const instance_list sampled = zoo_for(sample);
        const sweep_account account = run(real.accesses, sampled, {.sample = sample});
        CHECK(account.counted == asked.counted);
        for (std::size_t k = 0; k < exact.size(); ++k) {
          const double truth = miss_ratios(exact[k]->misses(), asked.counted).requests;
          const double guess = miss_ratios(sampled[k]->misses(), asked.counted, sample.rate()).requests;
          const double stated = sampled[k]->error(sample.rate(), asked.counted.requests);
          const double off = (guess - truth) / stated;
          worst = (std::max)(worst, std::abs(off));
          squares += off * off;
          ++points;
        }
      }
      INFO(real.name << " at rate " << rate);
      CHECK(worst < 4);
      const double typical = std::sqrt(squares / points);
      INFO("typical " << typical << ", worst " << worst);
      CHECK(typical > 0.6);
      CHECK(typical < 1.4);
    }
  }
}
