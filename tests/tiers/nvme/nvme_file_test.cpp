// What an nvme_file does beyond what every store does: it is there again, makes room, keeps what is in use, and says what is
// wrong.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"
#include "tiers/nvme/scratch_files.hpp"
#include "tiers/store_conformance.hpp"

#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/tiers/nvme_file.hpp>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <vector>

using namespace kvstrata;
using kvstrata_test::record_of;
using D = emulated_device;
using drive = nvme_file<>::on<D>;

namespace {

/// A store that can be closed and opened again.
struct bed
{
  kvstrata_test::scratch_files folder;
  nvme_file_config config{
      .paths = {folder.path("store")}, .bytes = 8 << 15, .region_bytes = 1 << 15, .chunk_bytes = 4096, .layers = 2};
  D device{{.time = time_mode::virtual_time, .trace = true}};
  std::optional<drive> store;
  std::optional<kvstrata_test::store_bed<drive, D>> records;

  void open()
  {
    records.reset();
    store.reset();
    store.emplace(device, config);
    records.emplace(device, *store);
  }
  [[nodiscard]] bool has(std::uint64_t id, std::uint64_t life, token_interval tokens)
  {
    const auto found = records->find(id);
    if (!found || !found->tokens.contains(tokens)) return false;
    const auto got = records->get(100, id, *found, tokens);
    REQUIRE(got);
    if (!records->wait(*got).done()) return false;
    REQUIRE(records->shows(100, id, life, tokens));
    return true;
  }
};

}  // namespace

TEST_CASE("a store that is opened again has what it had, whether it was closed or not")
{
  bed b;
  const bool closed = GENERATE(true, false);
  b.config.done_when = closed ? put_done::written : put_done::durable;
  b.config.bytes = 64 << 15;
  if (GENERATE(true, false)) b.config.paths = {b.folder.path("one"), b.folder.path("two"), b.folder.path("three")};
  b.open();
  for (std::uint64_t id = 1; id <= 40; ++id) {
    REQUIRE(b.records->keep(0, id, 10, {0, 6}));
    REQUIRE(b.records->keep(0, id, 10, {4, 12}));
    if (id % 4 == 0) b.store->erase({.id = id});
    if (id % 5 == 0) REQUIRE(b.records->keep(0, id, 11, {0, 7}));
  }
  const auto flushed = b.store->flush();
  REQUIRE(flushed);
  REQUIRE(b.records->wait(*flushed).done());
  REQUIRE(b.store->under_way() == 0);
  const auto before = b.store->figures();
  for (int again = 0; again < 3; ++again) {
    b.open();
    const auto after = b.store->figures();
    REQUIRE(after.recovery.torn == 0);
    REQUIRE(after.recovery.verified == 0);  // the last to close it wrote down that all is durable
    REQUIRE(after.records == before.records);
    for (std::uint64_t id = 1; id <= 40; ++id) {
      CAPTURE(id, again);
      const bool rewritten = id % 5 == 0;
      const bool there = rewritten || id % 4 != 0;
      REQUIRE(b.has(id, rewritten ? 11 : 10, {0, rewritten ? 7U : 12U}) == there);
      REQUIRE(b.store->durable_tokens({.id = id}) == (there ? (rewritten ? 7U : 12U) : 0U));
    }
  }
}

TEST_CASE("a put is as durable as was asked for")
{
  bed b;
  b.config.done_when = GENERATE(put_done::written, put_done::durable);
  b.config.region_bytes = 1 << 17;
  b.config.bytes = 1 << 20;
  b.open();
  REQUIRE(b.records->keep(0, 9, 10, {0, 12}));  // opens a region, so that another is made clean, which takes a flush
  REQUIRE(b.records->keep(0, 1, 10, {0, 12}));
  const bool at_once = b.config.done_when == put_done::durable;
  REQUIRE(b.store->durable_tokens({.id = 1}) == (at_once ? 12U : 0U));
  const auto flushed = b.store->flush();
  REQUIRE(b.records->wait(*flushed).done());
  REQUIRE(b.store->durable_tokens({.id = 1}) == 12);
}

TEST_CASE("the oldest make room, what is in use stays, and nothing is found that went")
{
  bed b;
  b.config.reinserted_hits = GENERATE(0U, 1U);
  const bool reinserts = b.config.reinserted_hits != 0;
  b.open();
  std::uint64_t refused = 0;
  for (std::uint64_t id = 1; id <= 200; ++id) {
    b.records->write(0, id, 10, {0, 8});
    for (;;) {
      const auto put = b.records->put(0, id, 10, {0, 8});
      if (put) {
        REQUIRE(b.records->wait(*put).done());
        break;
      }
      REQUIRE(++refused < 1000);
    }
    REQUIRE(b.records->find(id));
    if (reinserts) REQUIRE(b.has(1, 10, {0, 8}));  // it is in use
  }
  REQUIRE(refused == 0);  // in virtual time there is always a region ahead
  for (int again = 0; again < 2; ++again) {
    std::uint64_t found = 0;
    for (std::uint64_t id = 1; id <= 200; ++id) found += b.has(id, 10, {0, 8}) ? 1U : 0U;
    const auto figures = b.store->figures();
    CAPTURE(again, found);
    REQUIRE(found == figures.records);
    REQUIRE(found >= 8);
    REQUIRE(b.has(1, 10, {0, 8}) == reinserts);
    if (again == 0) {
      REQUIRE(figures.counts.evicted_records + found == 200);
      REQUIRE((figures.counts.reinserted_bytes != 0) == reinserts);
    }
    b.open();
  }
}

TEST_CASE("what is erased stays so, however often its regions are used again and the store is opened")
{
  bed b;
  b.config.reinserted_hits = GENERATE(0U, 1U);
  b.open();
  for (std::uint64_t round = 0; round < 60; ++round) {
    const std::uint64_t id = 1 + round % 7;
    CAPTURE(round);
    REQUIRE(b.records->keep(0, id, 100 + round, {0, 16}));
    REQUIRE(b.has(id, 100 + round, {0, 16}));
    if (round % 3 == 0) b.store->erase({.id = id});
    if (round % 5 == 0) b.open();
    REQUIRE(b.has(id, 100 + round, {0, 16}) == (round % 3 != 0));
    if (round % 3 == 0) REQUIRE_FALSE(b.records->find(id));
  }
}

TEST_CASE("an index that is full makes room, as a file that is full does")
{
  bed b;
  b.config.bytes = 64 << 15;
  b.config.most_records = 5;
  b.open();
  std::uint64_t refused = 0;
  for (std::uint64_t id = 1; id <= 60; ++id) {
    b.records->write(0, id, 10, {0, 8});
    for (;;) {
      const auto put = b.records->put(0, id, 10, {0, 8});
      if (put) {
        REQUIRE(b.records->wait(*put).done());
        break;
      }
      ++refused;
      REQUIRE(refused < 300);
    }
    REQUIRE(b.has(id, 10, {0, 8}));
    REQUIRE(b.store->figures().records <= 5);
  }
  REQUIRE(refused == 0);  // in virtual time the oldest go at once
}

TEST_CASE("a durable record that rots takes with it what it had replaced, and nobody else's")
{
  bed b;
  b.open();
  REQUIRE(b.records->keep(0, 1, 10, {0, 8}));
  REQUIRE(b.records->keep(0, 2, 10, {0, 8}));
  REQUIRE(b.records->keep(0, 1, 11, {0, 8}));
  b.store->close();
  b.records.reset();
  b.store.reset();
  {  // the last record's body
    std::fstream file(b.config.paths[0], std::ios::in | std::ios::out | std::ios::binary);
    const std::string wanted = [] {
      std::string out;
      for (token_count t = 0; t < 4; ++t) {
        for (std::size_t i = 0; i < kvstrata_test::record_token_bytes; ++i) {
          out.push_back(static_cast<char>(kvstrata_test::record_byte(1, 11, t, i)));
        }
      }
      return out.substr(0, 32);  // half a page is a layer
    }();
    std::string all((std::istreambuf_iterator<char>(file)), {});
    const std::size_t at = all.find(wanted);
    REQUIRE(at != std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(all[at] ^ 1));
  }
  for (int again = 0; again < 3; ++again) {
    CAPTURE(again);
    b.open();
    REQUIRE_FALSE(b.has(1, 11, {0, 8}));
    REQUIRE_FALSE(b.records->find(1));
    REQUIRE(b.has(2, 10, {0, 8}));
    if (again == 0) REQUIRE(b.store->figures().counts.lost_checksum == 1);
  }
}

TEST_CASE("what can never fit is misuse, and changes nothing")
{
  bed b;
  b.open();
  const auto memory = b.device.allocate_pinned(1 << 16, "a large page");
  const io_piece piece{memory.data(), 1 << 16};
  const std::string sentence = kvstrata_test::sentence_of<usage_error>(
      [&] { static_cast<void>(b.store->put({.id = 1}, record_of(1, {0, 4}), {&piece, 1}, {})); });
  CHECK(sentence == "nvme_file: a page of 65536 bytes does not fit a region of 32768 bytes (nvme_file.region_bytes)");
  REQUIRE(b.records->keep(0, 1, 10, {0, 8}));
  REQUIRE(b.has(1, 10, {0, 8}));
}

TEST_CASE("what the drive does shows in the trace, and a get by layers a layer at a time")
{
  bed b;
  b.config.lanes = 1;
  b.config.seconds = 0;
  b.config.bytes_per_second = 8 * kvstrata_test::record_page_bytes;  // of pages: eight of them take a second
  b.open();
  REQUIRE(b.records->keep(0, 1, 10, {0, 32}));
  const auto found = b.records->find(1);
  REQUIRE(found);
  b.device.clear_trace();
  const double begin = b.device.now();
  std::vector<event> layers;
  const auto got = b.store->get_by_layer({.id = 1}, *found, {0, 32}, b.records->pieces(100, 8), {}, layers);
  REQUIRE(got);
  REQUIRE(layers.size() == 2);
  REQUIRE(layers.back() == got->point);
  b.device.wait_sync(layers.front());
  CHECK(b.device.now() == Approx(begin + 0.5));
  CHECK_FALSE(b.device.query(got->point));
  REQUIRE(b.records->wait(*got).done());
  REQUIRE(b.records->shows(100, 1, 10, {0, 32}));
  const std::vector<op_span> spans = b.device.trace();
  REQUIRE(spans.size() == 2);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    CHECK(spans[layer].stream_name == "nvme_file lane 0");
    CHECK(spans[layer].kind == operation_kind::host_io);
    CHECK(spans[layer].begin == Approx(begin + 0.5 * static_cast<double>(layer)));
    CHECK(spans[layer].end == Approx(begin + 0.5 * static_cast<double>(layer + 1)));
  }
}

TEST_CASE("a get by layers that throws has begun nothing, whichever allocation fails")
{
  bed b;
  b.open();
  REQUIRE(b.records->keep(0, 1, 10, {0, 32}));
  const auto found = b.records->find(1);
  REQUIRE(found);
  const auto into = b.records->pieces(100, 8);
  bool thrown = false;
  for (std::size_t n = 1;; ++n) {
    CAPTURE(n);
    std::vector<event> layers;
    std::optional<store_promise> got;
    bool failed = false;
    try {
      const kvstrata_test::failing_allocation fails(n);
      got = b.store->get_by_layer({.id = 1}, *found, {0, 32}, into, {}, layers);
      failed = kvstrata_test::failing_allocation::happened();
    } catch (const std::bad_alloc&) {
      thrown = true;
      REQUIRE(b.store->under_way() == 0);
      continue;
    }
    REQUIRE(got);
    REQUIRE(layers.size() == 2);
    if (b.records->wait(*got).done()) REQUIRE(b.records->shows(100, 1, 10, {0, 32}));
    REQUIRE(b.store->under_way() == 0);
    if (!failed) break;
  }
  REQUIRE(thrown);
}
