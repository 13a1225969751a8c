// The index of a store's records, beside a map that keeps everything.
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include <kvstrata/tiers/nvme/books/index.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata;
using namespace kvstrata::nvme;

/// A few bits: many share a bucket, and some the tag with it.
template <std::uint32_t Buckets, std::uint32_t Tags>
struct few_bits
{
  [[nodiscard]] constexpr std::uint64_t operator()(const sequence_key& key) const noexcept
  {
    const std::uint64_t bits = key_bits{}(key);
    return (bits >> 32U) % Buckets * (~std::uint32_t{0} / Buckets) << 32U | (bits & 0xffffffffU) % Tags;
  }
};

using everything = std::map<std::uint64_t, std::vector<index_entry>>;  // by the bits of the key; oldest first

/// Positions as a store has them: regions that are used again have younger generations.
struct medium
{
  static constexpr std::uint32_t region_blocks = 64;
  std::vector<std::uint64_t> generations;

  [[nodiscard]] std::pair<std::uint64_t, std::uint32_t> position(std::uint32_t block) const
  {
    return {generations[block / region_blocks], block};
  }
  [[nodiscard]] auto newer() const
  {
    return [this](std::uint32_t a, std::uint32_t b) noexcept { return position(a) > position(b); };
  }
};

template <class Index, class Bits>
class walk
{
 public:
  walk(std::uint32_t capacity, std::uint32_t keys, std::uint64_t seed)
      : index_(capacity), capacity_(capacity), keys_(keys), random_(seed)
  {
    regions_ = capacity / 8 + 4;
    for (std::uint32_t i = 0; i != regions_; ++i) medium_.generations.push_back(i + 1);
    generation_ = regions_;
  }

  void step()
  {
    const sequence_key key{below(2), below(keys_)};
    const std::uint64_t bits = Bits{}(key);
    switch (below(20)) {
      case 0: erase(key, bits); break;
      case 1: remove_some(key, bits); break;
      case 2: remove_one(key, bits); break;
      case 3: touch(key, bits); break;
      case 4:
        if (below(20) == 0) evict();
        break;
      default: insert(key, bits);
    }
    check(key, bits);
  }

  void check_all()
  {
    std::multiset<std::uint32_t> mine;
    index_.for_each([&](const index_entry& entry) noexcept { mine.insert(entry.block); });
    REQUIRE(mine == std::multiset<std::uint32_t>(blocks_.begin(), blocks_.end()));
  }

  std::uint64_t full = 0, reused = 0, collisions = 0, out_of_turn = 0;

 private:
  std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(random_() % end); }

  void insert(const sequence_key& key, std::uint64_t bits)
  {
    const std::uint32_t block = below(regions_ * medium::region_blocks);
    if (blocks_.contains(block)) return;
    const index_entry entry{.life = below(3), .block = block, .tokens = {below(9), 10 + below(9)}, .durable = false};
    const bool taken = index_.insert(key, entry, medium_.newer());
    REQUIRE(taken == (blocks_.size() < capacity_));
    if (!taken) {
      ++full;
      return;
    }
    reused += peak_ >= capacity_ ? 1U : 0U;
    blocks_.insert(block);
    peak_ = (std::max)(peak_, blocks_.size());
    keys_of_[bits].insert({key.space, key.id});
    collisions += keys_of_[bits].size() > 1 ? 1U : 0U;
    std::vector<index_entry>& all = all_[bits];
    const auto newer = medium_.newer();
    const auto at =
        std::find_if(all.begin(), all.end(), [&](const index_entry& other) { return newer(other.block, entry.block); });
    out_of_turn += at != all.end() ? 1U : 0U;
    all.insert(at, entry);
  }

  void erase(const sequence_key& key, std::uint64_t bits)
  {
    if (below(3) != 0) return;
    REQUIRE(index_.erase(key) == all_[bits].size());
    drop(bits, [](const index_entry&) { return true; });
  }

  void remove_some(const sequence_key& key, std::uint64_t bits)
  {
    const std::uint32_t life = below(3);
    const auto gone = [life](const index_entry& entry) noexcept { return entry.life == life; };
    REQUIRE(index_.remove_if(key, gone) == drop(bits, gone));
  }

  void remove_one(const sequence_key& key, std::uint64_t bits)
  {
    const std::uint32_t block = any_block_of(bits);
    const auto gone = [block](const index_entry& entry) noexcept { return entry.block == block; };
    REQUIRE(index_.remove(key, block) == (drop(bits, gone) == 1));
  }

  void touch(const sequence_key& key, std::uint64_t bits)
  {
    const std::uint32_t block = any_block_of(bits);
    const std::uint32_t times = below(200);
    for (std::uint32_t i = 0; i != times; ++i) index_.hit(key, block);
    index_.mark_durable(key, block);
    for (index_entry& entry : all_[bits]) {
      if (entry.block != block) continue;
      entry.hits = static_cast<std::uint8_t>((std::min)(entry.hits + times, 255U));
      entry.durable = true;
    }
  }

  /// A region is used again: what was in it goes.
  void evict()
  {
    const std::uint32_t region = below(regions_);
    const auto gone = [region](const index_entry& entry) noexcept {
      return entry.block / medium::region_blocks == region;
    };
    std::uint32_t count = 0;
    for (auto& [bits, all] : all_) count += drop(bits, gone);
    REQUIRE(index_.remove_all_if(gone) == count);
    medium_.generations[region] = ++generation_;
  }

  [[nodiscard]] std::uint32_t any_block_of(std::uint64_t bits)
  {
    const auto& all = all_[bits];
    if (all.empty() || below(8) == 0) return below(regions_ * medium::region_blocks);
    return all[below(static_cast<std::uint32_t>(all.size()))].block;
  }

  template <class Gone>
  std::uint32_t drop(std::uint64_t bits, Gone gone)
  {
    std::vector<index_entry>& all = all_[bits];
    for (const index_entry& entry : all) {
      if (gone(entry)) blocks_.erase(entry.block);
    }
    return static_cast<std::uint32_t>(std::erase_if(all, gone));
  }

  void check(const sequence_key& key, std::uint64_t bits)
  {
    std::vector<index_entry> seen;
    index_.for_each_of(key, [&](index_entry& entry) noexcept { seen.push_back(entry); });
    const std::vector<index_entry>& all = all_[bits];
    REQUIRE(std::equal(seen.begin(), seen.end(), all.rbegin(), all.rend()));
    REQUIRE(index_.size() == blocks_.size());

    std::optional<index_entry> newest;  // and no further
    std::as_const(index_).for_each_of(key, [&](const index_entry& entry) noexcept {
      newest = entry;
      return false;
    });
    REQUIRE(newest == (all.empty() ? std::nullopt : std::optional(all.back())));
  }

  Index index_;
  medium medium_;
  everything all_;
  std::map<std::uint64_t, std::set<std::pair<std::uint32_t, std::uint64_t>>> keys_of_;
  std::set<std::uint32_t> blocks_;
  std::uint32_t capacity_, keys_, regions_ = 0;
  std::size_t peak_ = 0;
  std::uint64_t generation_ = 0;
  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("an index knows what a map would know")
{
  using bits = key_bits;
  for (const std::uint32_t capacity : {1U, 2U, 7U, 64U, 300U}) {
    walk<record_index, bits> run(capacity, 1 + capacity / 3, capacity);
    for (int i = 0; i != 8000; ++i) run.step();
    run.check_all();
    CAPTURE(capacity);
    CHECK(run.full > 0);
    CHECK(run.reused > 0);
    CHECK(run.collisions == 0);
    CHECK((run.out_of_turn > 0 || capacity == 1));
  }
}

TEST_CASE("sequences that share a bucket are kept apart, and those that share the tag too are one")
{
  using bits = few_bits<3, 5>;
  for (const std::uint32_t capacity : {5U, 40U}) {
    walk<basic_record_index<bits>, bits> run(capacity, 25, capacity);
    for (int i = 0; i != 8000; ++i) run.step();
    run.check_all();
    CHECK(run.full > 0);
    CHECK(run.collisions > 0);
  }
  using one_bucket = few_bits<1, 1000>;
  walk<basic_record_index<one_bucket>, one_bucket> run(30, 12, 9);
  for (int i = 0; i != 8000; ++i) run.step();
  run.check_all();
}

TEST_CASE("an index takes 32 bytes a record, and none after construction")
{
  for (const std::uint32_t capacity : {1U, 3U, 1000U, 4097U, 100'000U}) {
    record_index index(capacity);
    CHECK(index.capacity() == capacity);
    CHECK(index.bytes() <= std::size_t{32} * capacity);
    const auto before = kvstrata_test::allocations();
    bool taken = true;
    for (std::uint32_t i = 0; i != capacity; ++i) {
      taken = index.insert({0, i}, {.block = i}, [](std::uint32_t a, std::uint32_t b) { return a > b; }) && taken;
    }
    const bool more = index.insert({}, {}, [](std::uint32_t, std::uint32_t) { return false; });
    bool there = true;
    for (std::uint32_t i = 0; i != capacity; ++i) there = index.find({0, i}, i) != nullptr && there;
    for (std::uint32_t i = 0; i != capacity; ++i) index.erase({0, i});
    CHECK(kvstrata_test::allocations() == before);
    CHECK(taken);
    CHECK(there);
    CHECK(!more);
    CHECK(index.size() == 0);
  }
  CHECK_THROWS_AS(record_index(0), config_error);
}

TEST_CASE("keys that follow one another spread over the buckets, and share no tag")
{
  std::set<std::uint64_t> bits;
  std::vector<std::uint32_t> buckets(1024);
  for (std::uint32_t space = 0; space != 4; ++space) {
    for (std::uint64_t id = 0; id != 1024; ++id) {
      const std::uint64_t mine = key_bits{}({space, id});
      bits.insert(mine);
      ++buckets[mine >> 54U];
    }
  }
  CHECK(bits.size() == 4096);
  CHECK(*std::max_element(buckets.begin(), buckets.end()) < 20);  // 4 on average
}
