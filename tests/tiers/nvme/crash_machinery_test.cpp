// The tests of crashes are tested: a simple store that keeps its word passes, and each mistake that stores make is seen.
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "tiers/nvme/crash_run.hpp"
#include "tiers/nvme/faulty_engines.hpp"
#include "tiers/nvme/toy_store.hpp"

#include <memory>
#include <string>

namespace {

using namespace kvstrata_test;

template <class Engine = recording_engine>
struct toy_subject
{
  using store = toy_store;

  toy_fault fault = toy_fault::none;
  bool done_is_durable = false;

  std::unique_ptr<toy_store> operator()(kvstrata::emulated_device& d, std::shared_ptr<memory_disk> disk) const
  {
    return std::make_unique<toy_store>(d, toy_store_config{engine_on<Engine>(std::move(disk)), fault, done_is_durable});
  }
};

crash_run_config toy_run(std::uint64_t seed, bool durable)
{
  crash_run_config c;
  c.disk_bytes = 1U << 20U;
  c.steps = 40;
  c.steps_after = 6;
  c.walk.seed = seed;
  c.walk.done_is_durable = durable;
  c.walk.keys = 3;
  c.walk.shape.token_bytes = 256;
  c.cuts.one_in = 6;
  return c;
}

/// With the n-th write failing, or a flush, or a read beyond those of the first opening.
crash_run_config toy_run_with_errors(std::uint64_t n)
{
  crash_run_config c = toy_run(100 + n, n % 2 == 0);
  c.steps = 24;
  c.used_further_in = 20;
  c.cuts.one_in = 20;
  c.walk.may_lose = true;
  c.faults = n % 3 == 0 ? fail_write(n / 3) : n % 3 == 1 ? fail_flush(n / 9) : fail_read(256 + n / 3);
  return c;
}

/// Faults seen within so many walks; text says which.
template <class Subject>
check_report seen_in(const Subject& subject, int walks, bool durable)
{
  check_report all;
  for (int seed = 1; seed <= walks && all.faults() == 0; ++seed) {
    all.add(run_crashes(subject, toy_run(static_cast<std::uint64_t>(seed), durable)));
  }
  return all;
}

}  // namespace

TEST_CASE("crash machinery: a store that keeps its word passes")
{
  for (const bool durable : {false, true}) {
    const check_report report = seen_in(toy_subject<>{toy_fault::none, durable}, 1 + effort / 2, durable);
    INFO(report.text());
    CHECK(report.faults() == 0);
    CHECK(report.states > 100);
    CHECK(report.got > 100);
    WARN(report.text());
  }
}

TEST_CASE("crash machinery: it sees each mistake of a store")
{
  const auto seen = [](toy_fault fault, bool durable) { return seen_in(toy_subject<>{fault, durable}, 6, durable); };
  const auto check = [](const check_report& report, std::uint64_t kind, const char* what) {
    INFO(what << ": " << report.text());
    CHECK(kind != 0);
    WARN(what << ": " << report.text());
  };
  check_report r = seen(toy_fault::forgets_to_flush, false);
  check(r, r.lost + r.erased, "forgets to flush");
  r = seen(toy_fault::done_before_written, true);
  check(r, r.lost, "done before written");
  r = seen(toy_fault::checks_no_bodies, false);
  check(r, r.wrong_bytes, "checks no bodies");
  r = seen(toy_fault::checks_no_heads, false);
  check(r, r.faults(), "checks no heads");
  r = seen(toy_fault::writes_no_erasures, false);
  check(r, r.erased, "writes no erasures");
  r = seen(toy_fault::flushes_no_erasures, false);
  check(r, r.erased, "flushes no erasures");
  r = seen(toy_fault::older_wins, true);
  check(r, r.stale, "older wins");
  const auto seen_with_errors = [](toy_fault fault) {
    check_report all;
    for (std::uint64_t n = 0; n < 60 && all.faults() == 0; n += 3) {
      all.add(run_crashes(toy_subject<>{fault, n % 2 == 0}, toy_run_with_errors(n)));
    }
    return all;
  };
  r = seen_with_errors(toy_fault::stops_at_a_gap);
  check(r, r.lost, "stops at a gap");
  r = seen_with_errors(toy_fault::goes_on_in_a_gap);
  check(r, r.lost + r.stale + r.erased, "goes on in a gap");
  r = seen(toy_fault::overwrites_in_place, false);
  check(r, r.lost, "overwrites in place");
  r = seen(toy_fault::drops_all_it_doubts, false);
  check(r, r.lost, "drops all it doubts");
  r = seen(toy_fault::forgets_the_header, false);
  check(r, r.stale, "forgets the header");
  r = seen(toy_fault::never_ends_a_torn_get, false);
  check(r, r.misbehaved, "never ends a torn get");
}

TEST_CASE("crash machinery: it sees each mistake of an engine")
{
  for (const bool durable : {false, true}) {
    check_report r = seen_in(toy_subject<engine_without_flushes>{toy_fault::none, durable}, 20, durable);
    INFO(r.text());
    CHECK(r.lost + r.erased != 0);
    r = seen_in(toy_subject<engine_that_reorders>{toy_fault::none, durable}, 20, durable);
    INFO(r.text());
    CHECK(r.lost + r.erased != 0);
  }
  check_report hidden;
  for (std::uint64_t n = 1; n < 12 && hidden.faults() == 0; ++n) {
    crash_run_config c = toy_run(n, false);
    c.faults = fail_write(n);
    c.walk.may_lose = true;
    hidden.add(run_crashes(toy_subject<engine_without_errors>{}, c));
  }
  INFO(hidden.text());
  CHECK(hidden.faults() != 0);
}

TEST_CASE(
    "crash machinery: with errors of the disk a store that keeps its word passes, one that trusts a later flush does "
    "not")
{
  const auto with_errors = [](toy_fault fault, std::uint64_t n) {
    return run_crashes(toy_subject<>{fault, n % 2 == 0}, toy_run_with_errors(n));
  };
  check_report all;
  for (std::uint64_t n = 0; n < 6U * effort; ++n) {
    all.add(with_errors(toy_fault::none, n));
    INFO(n << ": " << all.text());
    REQUIRE(all.faults() == 0);
  }
  WARN(all.text());
  check_report trusting;
  for (std::uint64_t n = 1; n < 60 && trusting.faults() == 0; n += 3)
    trusting.add(with_errors(toy_fault::flushes_again, n));
  INFO(trusting.text());
  CHECK(trusting.lost + trusting.erased != 0);
}
