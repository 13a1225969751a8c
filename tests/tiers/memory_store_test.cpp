// The fake store: the conformance suite however late it is, and what it does badly on purpose.
#include "support/allocation_count.hpp"
#include "support/plain_device.hpp"
#include "support/sentence_of.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/tiers/memory_store.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;
using kvstrata_test::record_of;
using kvstrata_test::store_bed;
using fake = memory_store<>::on<emulated_device>;
using fake_bed = store_bed<fake, emulated_device>;

template <int Way>
struct subject
{
  template <host_stream_device Device>
  static auto make(Device& d)
  {
    memory_store_config c{.seed = 3};
    if (Way == 1) c = {.lanes = 3, .in_flight = 4, .seed = 5, .least_seconds = 1e-6, .most_seconds = 1e-3};
    if (Way == 2) c = {.lanes = 1, .in_flight = 2, .seed = 6, .most_seconds = 1e-4, .unknown_in = 1};
    return std::make_unique<memory_store<>::on<Device>>(d, c);
  }
};

emulated_device_config virtual_device() { return {.time = time_mode::virtual_time, .check_ordering = true}; }

}  // namespace

TEST_CASE("memory store at once: conformance") { kvstrata_test::store_conformance<subject<0>>(); }
TEST_CASE("memory store, late and out of order: conformance") { kvstrata_test::store_conformance<subject<1>>(); }
TEST_CASE("memory store that must be asked: conformance") { kvstrata_test::store_conformance<subject<2>>(); }
TEST_CASE("memory store in real time: conformance")
{
  kvstrata_test::store_conformance<subject<1>, kvstrata_test::plain_device>();
}

TEST_CASE("a lane that never answers holds up what is in it, and nothing else")
{
  emulated_device d(virtual_device());
  fake store(d, {.lanes = 3, .in_flight = 4, .least_seconds = 1e-3, .most_seconds = 1e-3, .silent_lanes = 1});
  fake_bed records(d, store);
  records.write(0, 1, 1, {0, 4});
  std::vector<store_promise> open;
  std::uint64_t done = 0;
  for (std::uint64_t id = 0; id < 200; ++id) {
    if (const auto put = records.put(0, id, 1, {0, 4})) open.push_back(*put);
    d.advance_host(1e-3);
    std::erase_if(open, [&](const store_promise& one) {
      const auto out = store.poll(one);
      done += out && out->done() ? 1U : 0U;
      return out.has_value();
    });
  }
  // The others carry the load. The silent one is least loaded at first, then it has as much as they have at most.
  CHECK(done + open.size() == 200);
  CHECK(open.size() <= 2);
  const auto stuck = open.front();
  CHECK_FALSE(d.query(stuck.point));
  CHECK_THROWS_AS(d.wait_sync(stuck.point), usage_error);  // nobody keeps it: not for ever, and with a sentence
  for (const store_promise& one : open) store.give_up_sync(one);
  CHECK(d.query(stuck.point));
  CHECK(store.under_way() == 0);
  CHECK(d.now() < 0.3);
}

TEST_CASE("what waits behind a promise that is not kept is told when that is over")
{
  emulated_device d(virtual_device());
  fake store(d, {.lanes = 1});
  fake_bed records(d, store);
  records.write(0, 1, 1, {0, 4});
  store.silence(1);
  const auto never = records.put(0, 1, 1, {0, 4});
  store.silence(0);
  const auto behind = records.put(0, 2, 1, {0, 4});
  REQUIRE((never && behind));
  d.advance_host(1);
  CHECK_FALSE(store.poll(*behind));
  CHECK(store.find({.id = 2}).is == found_record::knowledge::absent);
  store.close();
  CHECK(store.poll(*never)->why == loss::closed);
  CHECK(store.poll(*behind)->done());
  CHECK(store.shelf().records() == 1);
}

TEST_CASE("a lossy store loses about so many, for every reason; what a get lost is not found again")
{
  emulated_device d(virtual_device());
  fake store(d, {.seed = 11, .most_seconds = 1e-4, .lost_in = 4});
  fake_bed records(d, store);
  std::set<loss> reasons;
  std::uint64_t lost_puts = 0;
  std::uint64_t lost_gets = 0;
  for (std::uint64_t id = 0; id < 400; ++id) {
    records.write(0, id, 1, {0, 9});
    const store_outcome put = records.wait(*records.put(0, id, 1, {0, 9}));
    reasons.insert(put.why);
    lost_puts += put.done() ? 0U : 1U;
    const auto found = records.find(id);
    if (put.done()) REQUIRE(found.has_value());
    if (!put.done() && put.why != loss::timeout) REQUIRE_FALSE(found.has_value());
    if (!found) continue;
    const store_outcome get = records.wait(*records.get(100, id, *found, {0, 9}));
    REQUIRE(get.done() == records.shows(100, id, 1, {0, 9}));
    REQUIRE(records.find(id).has_value() == get.done());
    lost_gets += get.done() ? 0U : 1U;
  }
  CHECK((lost_puts > 60 && lost_puts < 140));
  CHECK((lost_gets > 40 && lost_gets < 120));
  CHECK(reasons == std::set<loss>{loss::none, loss::gone, loss::checksum, loss::io_error, loss::timeout});
  CHECK(d.violations().empty());
}

TEST_CASE("faults to come strike the call they are told to, and one that throws has begun nothing")
{
  emulated_device d(virtual_device());
  fake store(d);
  fake_bed records(d, store);
  records.write(0, 1, 1, {0, 4});
  store.throw_next(1);
  const auto first = records.put(0, 1, 1, {0, 4});
  CHECK_THROWS_AS(records.put(0, 2, 1, {0, 4}), error);
  CHECK(store.under_way() == 1);
  CHECK(records.wait(*first).done());
  store.lose_next();
  CHECK(records.wait(*records.put(0, 2, 1, {0, 4})).why == loss::io_error);
  CHECK(records.wait(*records.put(0, 2, 1, {0, 4})).done());
}

TEST_CASE("puts of one sequence count in the order of their calls, however late they end")
{
  std::uint64_t overtaken = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    emulated_device d(virtual_device());
    fake store(d, {.lanes = 4, .seed = seed, .most_seconds = 1});
    fake_bed records(d, store);
    std::vector<store_promise> all;
    for (std::uint64_t life = 1; life <= 4; ++life) {
      records.write(life * 8, 1, life, {0, 9});
      all.push_back(*records.put(life * 8, 1, life, {0, 9}));
    }
    bool last_first = false;
    for (int i = 0; i < 200 && !all.empty(); ++i) {
      d.advance_host(0.01);
      std::erase_if(all, [&](const store_promise& one) { return store.poll(one).has_value(); });
      last_first = last_first || (all.size() == 3 && records.find(1) && to_number(records.find(1)->incarnation) == 4);
    }
    overtaken += last_first ? 1U : 0U;
    REQUIRE(to_number(records.find(1)->incarnation) == 4);
    REQUIRE(records.wait(*records.get(100, 1, *records.find(1), {0, 9})).done());
    REQUIRE(records.shows(100, 1, 4, {0, 9}));
  }
  CHECK(overtaken != 0);
}

TEST_CASE("a shelf is shared by stores and outlives them; one that is full forgets what was put longest ago")
{
  emulated_device d(virtual_device());
  const auto shelf = std::make_shared<record_shelf>(10 * kvstrata_test::record_page_bytes);
  {
    fake one(d, {}, shelf);
    fake_bed records(d, one);
    for (std::uint64_t id = 1; id <= 4; ++id) REQUIRE(records.keep(0, id, id, {0, 16}));
    CHECK(shelf->records() == 2);
    CHECK(shelf->bytes() <= 10 * kvstrata_test::record_page_bytes);
  }
  fake other(d, {}, shelf);
  fake_bed records(d, other);
  CHECK_FALSE(records.find(1));
  CHECK_FALSE(records.find(2));
  CHECK(to_number(records.find(4)->incarnation) == 4);
  CHECK(records.wait(*records.get(100, 4, *records.find(4), {0, 16})).done());
  CHECK(records.shows(100, 4, 4, {0, 16}));
}

TEST_CASE("nonsense is refused with a sentence")
{
  emulated_device d(virtual_device());
  const auto refusal = [&d](const memory_store_config& c) {
    return kvstrata_test::sentence_of<config_error>([&] { fake store(d, c); });
  };
  CHECK(refusal({.lanes = 0}) == "memory_store.lanes is 0, but it must be at least 1");
  CHECK(refusal({.lanes = 257}) == "memory_store.lanes is 257, but it may be at most 256");
  CHECK(refusal({.in_flight = 0}) == "memory_store.in_flight is 0, but it must be at least 1");
  CHECK(refusal({.least_seconds = 2, .most_seconds = 1}).find("memory_store.most_seconds is 1") == 0);
  fake store(d);
  fake_bed records(d, store);
  CHECK_THROWS_AS(
      store.put({.id = 1}, record_of(1, {0, 9}),
                records.pieces(0, 4).empty() ? std::vector<io_piece>() : std::vector<io_piece>{{records.page(0), 100}},
                {}),
      usage_error);
  REQUIRE(records.keep(0, 1, 1, {0, 8}));
  CHECK_THROWS_AS(records.get(0, 1, record_of(1, {0, 8}), {4, 12}), usage_error);
  const std::vector<io_piece> small{{records.page(0), 64}};
  CHECK_THROWS_AS(store.get({.id = 1}, record_of(1, {0, 8}), {0, 8}, small, {}), usage_error);
  CHECK(store.under_way() == 0);
}

TEST_CASE("many threads use one store in real time")
{
  emulated_device d;
  memory_store<>::on<emulated_device> store(d, {.lanes = 3, .in_flight = 8, .seed = 4});
  std::vector<std::thread> crowd;
  std::atomic<int> wrong{0};
  for (std::uint64_t t = 0; t < 4; ++t) {
    crowd.emplace_back([&, t] {
      fake_bed records(d, store);
      const auto wait = [&](const std::optional<store_promise>& p) {
        if (!p) return store_outcome{loss::timeout};
        d.wait_sync(p->point);
        return store.poll(*p).value_or(store_outcome{loss::timeout});
      };
      for (std::uint64_t i = 0; i < 60; ++i) {
        const std::uint64_t id = i % 5 + (i % 2 == 0 ? 0 : 100 * t);
        records.write(0, id, i + t * 1000, {0, 9});
        if (!wait(records.put(0, id, i + t * 1000, {0, 9})).done()) continue;
        const found_record found = store.find({.id = id});
        if (found.is != found_record::knowledge::present) continue;
        if (!wait(records.get(100, id, found.header, {0, 9})).done()) continue;
        if (!records.shows(100, id, to_number(found.header.incarnation), {0, 9})) ++wrong;
        if (i % 7 == 0) store.erase({.id = id});
      }
    });
  }
  for (std::thread& one : crowd) one.join();
  CHECK(wrong == 0);
  CHECK(store.under_way() == 0);
}

TEST_CASE("bytes of a record that goes are overwritten where that is wanted, once nobody reads them")
{
  for (const bool overwrites : {false, true}) {
    for (const bool is_read : {false, true}) {
      CAPTURE(overwrites, is_read);
      emulated_device d(virtual_device());
      const auto shelf = std::make_shared<record_shelf>();
      fake store(d, {.overwrite_dropped = overwrites}, shelf);
      fake_bed records(d, store);
      records.write(0, 1, 1, {0, 4});
      REQUIRE(records.wait(*records.put(0, 1, 1, {0, 4})).done());
      const record_header header = store.find({.id = 1}).header;
      record_shelf::page_list pages = shelf->pages({.id = 1}, header, header.tokens);
      const std::vector<std::byte> was = *pages.front();
      REQUIRE(std::any_of(was.begin(), was.end(), [](std::byte b) { return b != std::byte{0}; }));
      std::vector<std::byte> last(was.size());
      const kvstrata_test::watched_allocation watched(pages.front()->data(), last);
      if (!is_read) pages.clear();
      store.erase({.id = 1});
      CHECK(watched.is_gone() != is_read);
      if (is_read) CHECK(*pages.front() == was);
      pages.clear();
      REQUIRE(watched.is_gone());
      CHECK(last == (overwrites ? std::vector<std::byte>(was.size()) : was));
    }
  }
}
