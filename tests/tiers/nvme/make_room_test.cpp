// An nvme_file makes room ahead: several regions by two flushes, and a put that comes too early waits where it is worth it.
#include "support/catch.hpp"
#include "tiers/nvme/scratch_files.hpp"

#include <kvstrata/tiers/nvme/io/thread_engine.hpp>
#include <kvstrata/tiers/nvme/record_store.hpp>

#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;

/// Flushes stand while it is shut, and fail when they are to.
class flush_gate final : public nvme::io_filter
{
 public:
  [[nodiscard]] nvme::io_verdict before(const nvme::io_call& what) noexcept override
  {
    if (what.what != nvme::io_call::kind::flush) return {};
    std::unique_lock lock(mutex_);
    ++standing_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !shut_; });
    --standing_;
    return {.error = fails_ ? EIO : 0};
  }
  void shut()
  {
    const std::scoped_lock lock(mutex_);
    shut_ = true;
  }
  void wait_for_one()
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return standing_ != 0; });
  }
  void open(bool fails)
  {
    const std::scoped_lock lock(mutex_);
    shut_ = false;
    fails_ = fails;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint32_t standing_ = 0;
  bool shut_ = false;
  bool fails_ = false;
};

constexpr std::size_t page_bytes = 4096;

/// A store of regions of 8 blocks, three records in each.
struct bed
{
  kvstrata_test::scratch_files folder;
  flush_gate gate;
  nvme_file_config config{.paths = {folder.path("store")},
                          .bytes = 40 << 15,
                          .region_bytes = 1 << 15,
                          .chunk_bytes = 4096,
                          .lanes = 1,
                          .in_flight = 64,
                          .workers = 4,
                          .most_records = 1000};
  std::optional<nvme::record_store> store;
  nvme::block_buffer page{page_bytes};

  void open(bool tidies_itself)
  {
    config.engine = [this](const nvme::medium_config& c) -> std::unique_ptr<nvme::block_engine> {
      return std::make_unique<nvme::thread_engine>(c, &gate);
    };
    store.emplace(config, tidies_itself);
  }
  ~bed()
  {
    gate.open(false);
    store.reset();
  }

  [[nodiscard]] std::unique_ptr<nvme::nvme_io> put_of(std::uint64_t id)
  {
    auto io = std::make_unique<nvme::nvme_io>();
    io->what = nvme::nvme_io::kind::put;
    io->key = {.id = id};
    io->header.page_tokens = 4;
    io->header.tokens = {0, 4};
    io->page_bytes = page_bytes;
    io->pieces.push_back({page.data(), page_bytes});
    return io;
  }
  void carry_out(nvme::nvme_io& io)
  {
    io.whom = nullptr;
    store->carry_out(io);
  }
  [[nodiscard]] bool put(std::uint64_t id)
  {
    const auto io = put_of(id);
    if (!store->begin(*io)) return false;
    carry_out(*io);
    return io->outcome.done();
  }
  [[nodiscard]] bool has(std::uint64_t id) { return store->find({.id = id}).is == found_record::knowledge::present; }

  /// Puts until one waits, while nothing can be made durable. Its number.
  [[nodiscard]] std::uint64_t fill(std::vector<std::unique_ptr<nvme::nvme_io>>& waiting)
  {
    std::uint64_t id = 1;
    while (store->figures().counts.reclaimed_regions < 40) static_cast<void>(put(id++));
    gate.shut();
    for (;; ++id) {
      const std::uint64_t before = store->figures().counts.waited;
      auto io = put_of(id);
      if (!store->begin(*io)) continue;
      if (store->figures().counts.waited != before) gate.wait_for_one();
      if (store->figures().waiting == 1) {  // still, though all that goes without a flush has been done
        waiting.push_back(std::move(io));
        return id;
      }
      carry_out(*io);
    }
  }
};

/// Flushes for each region that made room, in virtual time's order: all upkeep after each put.
double flushes_a_region(std::uint32_t clean_regions)
{
  bed b;
  b.config.clean_regions = clean_regions;
  b.open(false);
  for (std::uint64_t id = 1; b.store->figures().counts.reclaimed_regions < 48; ++id) REQUIRE(b.put(id));
  const auto before = b.store->figures().counts;
  for (std::uint64_t id = 1000; b.store->figures().counts.reclaimed_regions < before.reclaimed_regions + 96; ++id) {
    REQUIRE(b.put(id));
  }
  const auto after = b.store->figures().counts;
  REQUIRE(after.refused == 0);
  return static_cast<double>(after.flushes - before.flushes) /
         static_cast<double>(after.reclaimed_regions - before.reclaimed_regions);
}

}  // namespace

TEST_CASE("regions that are emptied together share their flushes")
{
  CHECK(flushes_a_region(3) <= 3.0);   // one for the table, two for the head
  CHECK(flushes_a_region(16) <= 1.5);  // the two are eight regions'
}

TEST_CASE("a put that finds no clean region waits for one that is being made, so many at most, and is found then")
{
  bed b;
  b.open(true);
  std::vector<std::unique_ptr<nvme::nvme_io>> waiting;
  const std::uint64_t first = b.fill(waiting);
  auto second = b.put_of(first + 1);
  REQUIRE(b.store->begin(*second));
  waiting.push_back(std::move(second));
  const auto third = b.put_of(first + 2);
  CHECK_FALSE(b.store->begin(*third));  // half of the workers may wait
  CHECK(b.store->figures().waiting == 2);
  b.store->erase({.id = first + 1});
  {
    std::vector<std::jthread> workers;
    for (const auto& io : waiting) workers.emplace_back([&b, &io] { b.carry_out(*io); });
    b.gate.open(false);
  }
  for (const auto& io : waiting) CHECK(io->outcome.done());
  CHECK(b.has(first));
  CHECK_FALSE(b.has(first + 1));
}

TEST_CASE("a put that waits for a region that cannot be made has come to nothing, and nobody hangs")
{
  bed b;
  b.open(true);
  std::vector<std::unique_ptr<nvme::nvme_io>> waiting;
  const std::uint64_t first = b.fill(waiting);
  const std::uint64_t refused = b.store->figures().counts.refused;
  {
    const std::jthread worker([&] { b.carry_out(*waiting.front()); });
    b.gate.open(true);
  }
  // What failed is to be written down, which may open the last region: then there is room beside it.
  const bool done = waiting.front()->outcome.done();
  CHECK((done || waiting.front()->outcome.why == loss::no_room));
  CHECK(b.store->figures().counts.refused == refused + (done ? 0 : 1));
  CHECK((done || !b.has(first)));
  waiting.clear();
  b.gate.open(false);
  std::uint64_t id = 100000;
  while (!b.put(id)) ++id;  // the medium takes writes again, and so there is room in the end
  CHECK(b.has(id));
}

TEST_CASE("a put that waits and that nobody carries out leaves nothing behind")
{
  bed b;
  b.open(true);
  std::vector<std::unique_ptr<nvme::nvme_io>> waiting;
  static_cast<void>(b.fill(waiting));
  waiting.clear();
  b.gate.open(false);
  std::uint64_t id = 100000;
  while (!b.put(id)) ++id;
  CHECK(b.has(id));
}

TEST_CASE("clean regions are refused where they cannot be")
{
  bed b;
  b.config.clean_regions = 2;
  CHECK_THROWS_AS(b.open(false), config_error);
  b.config.clean_regions = 37;
  CHECK_THROWS_AS(b.open(false), config_error);
  b.config.clean_regions = 36;
  b.open(false);
  for (std::uint64_t id = 1; id <= 500; ++id) REQUIRE(b.put(id));
}
