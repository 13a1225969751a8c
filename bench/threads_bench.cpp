// What threads gain from shards: prepare, layer marks, commit and release of batches of 8, device work left out. 1, 2,
// 4 and 8 threads take batches from one queue, and serve them from one default_cache and from four shards of it.
//
//   one shard a batch    a router has sent each batch to one shard's users
//   batches that span    users as they come: a batch takes the locks of nearly all shards, one after the other
//
// The slab holds half of the users, the arena all of them, and batches come in a random order, the same for all:
// a third of the tokens lies in the slab, the rest is onloaded. What is divided is the lock; a machine with fewer
// cores than threads shows what waiting for it costs, not what more cores would bring.
#include "support/paired.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/sharded/sharded.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace kvstrata;

constexpr geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
constexpr token_count history = 4096;
constexpr token_count page_tokens = 32;
constexpr std::size_t batch_size = 8;
constexpr std::uint32_t shards = 4;
constexpr unsigned most_threads = 8;
constexpr std::size_t all_batches = 128;  // of other users each
constexpr page_count user_pages = history / page_tokens;
constexpr page_count all_pages = all_batches * batch_size * user_pages;
constexpr std::size_t batches_a_run = 8000;

/// As simulate/dataless_device.hpp, but for several threads: a stream's points are on a cache line of their own, so that
/// nothing is shared but what the caches share.
class shared_dataless_device
{
 public:
  class memory
  {
   public:
    explicit memory(std::size_t bytes) : bytes_(bytes) {}
    [[nodiscard]] std::byte* data() const noexcept { return nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_; }

   private:
    std::size_t bytes_;
  };

  memory allocate_device(std::size_t bytes, std::string_view) { return memory(bytes); }
  memory allocate_pinned(std::size_t bytes, std::string_view) { return memory(bytes); }
  /// Before any thread starts.
  stream_id create_stream(std::string_view)
  {
    streams_.emplace_back();
    return static_cast<stream_id>(streams_.size() - 1);
  }
  event record(stream_id stream)
  {
    std::atomic<std::uint64_t>& points = streams_[static_cast<std::size_t>(stream)].points;
    return {stream, points.fetch_add(1, std::memory_order_relaxed) + 1};
  }
  void wait(stream_id, event) {}
  bool query(event) { return true; }
  void wait_sync(event) {}
  void copy(stream_id, copy_direction, std::byte*, const std::byte*, std::size_t) {}
  void copy_batch(stream_id, copy_direction, std::span<const copy_piece>) {}

 private:
  struct alignas(64) line
  {
    std::atomic<std::uint64_t> points{0};
  };
  std::deque<line> streams_;
};

static_assert(device<shared_dataless_device> && batches_copies<shared_dataless_device>);

using one_cache = default_cache<shared_dataless_device>;
using four_shards = sharded<one_cache>;

one_cache::config sizes()
{
  return {.shape = shape,
          .tiers = {{.bytes = all_pages / 2 * page_bytes(shape, page_tokens)},
                    {.bytes = std::size_t{all_pages} * 2 * page_bytes(shape, page_tokens)}},
          .layout = {.page_tokens = page_tokens}};
}

/// Batches that share no user, and the order in which they are asked for.
struct workload
{
  std::vector<std::vector<request>> batches;
  std::vector<std::size_t> queue;
};

/// `one_shard`: all users of a batch live in the same shard.
workload deal(const four_shards& home, bool one_shard)
{
  workload out;
  std::vector<std::uint64_t> next(shards, 0);
  std::uint64_t anybody = 0;
  for (std::size_t i = 0; i < all_batches; ++i) {
    const auto shard = static_cast<std::uint32_t>(i % shards);
    std::vector<request>& batch = out.batches.emplace_back();
    while (batch.size() < batch_size) {
      const user_id user{one_shard ? next[shard]++ : anybody++};
      if (!one_shard || home.shard_of(user) == shard) batch.push_back({.user = user, .history_tokens = history});
    }
  }
  std::mt19937_64 random(1);
  while (out.queue.size() < batches_a_run) {
    const std::size_t batch = random() % all_batches;
    const auto last = out.queue.end() - static_cast<std::ptrdiff_t>(std::min(out.queue.size(), all_batches / 4));
    if (std::find(last, out.queue.end(), batch) == out.queue.end()) out.queue.push_back(batch);  // or it is held yet
  }
  return out;
}

template <class Cache>
class subject
{
 public:
  template <class... Shards>
  explicit subject(Shards... count) : cache_(device_, sizes(), count...)
  {
    for (unsigned i = 0; i < most_threads; ++i) streams_.push_back(device_.create_stream("compute"));
  }

  [[nodiscard]] const Cache& cache() const noexcept { return cache_; }

  void run(const workload& work, unsigned threads)
  {
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> crowd;
    for (unsigned t = 0; t < threads; ++t) crowd.emplace_back([&, t] { serve(work, next, streams_[t]); });
    for (std::thread& t : crowd) t.join();
  }

  std::atomic<std::uint64_t> refused{0}, slab_tokens{0}, arena_tokens{0}, tokens{0};

 private:
  void serve(const workload& work, std::atomic<std::size_t>& next, stream_id compute)
  {
    std::uint64_t turned_away = 0, above = 0, below = 0, all = 0;
    for (std::size_t i = next.fetch_add(1); i < work.queue.size(); i = next.fetch_add(1)) {
      const std::vector<request>& batch = work.batches[work.queue[i]];
      auto lease = cache_.prepare(batch, compute);
      for (; !lease; lease = cache_.prepare(batch, compute)) {
        ++turned_away;
        std::this_thread::yield();
      }
      for (std::size_t r = 0; r < batch.size(); ++r) {
        const token_sources from = lease->sources(r);
        above += from.from[0];
        below += from.fetched();
        all += history;
      }
      for (layer_index layer = 0; layer < shape.layers; ++layer) lease->layer_done(layer);
      lease->commit();
      lease->release();
    }
    refused += turned_away;
    slab_tokens += above;
    arena_tokens += below;
    tokens += all;
  }

  shared_dataless_device device_;
  Cache cache_;
  std::vector<stream_id> streams_;
};

template <class Subject>
void tell(const char* name, const Subject& s)
{
  const auto share = [&](std::uint64_t n) { return 100 * static_cast<double>(n) / static_cast<double>(s.tokens); };
  std::printf("  %s: %.1f %% from the slab, %.1f %% from the arena, %llu batches turned away and sent again\n", name,
              share(s.slab_tokens), share(s.arena_tokens), static_cast<unsigned long long>(s.refused.load()));
}

}  // namespace

int main()
{
  std::printf("this machine has %u cores; more threads than that wait for a core as well as for a lock\n\n",
              std::thread::hardware_concurrency());
  for (const bool one_shard : {true, false}) {
    for (const unsigned threads : {1U, 2U, 4U, 8U}) {
      subject<one_cache> one;
      subject<four_shards> four(shards);
      const workload work = deal(four.cache(), one_shard);
      bench::compare(std::to_string(threads) + (threads == 1 ? " thread, " : " threads, ") +
                         (one_shard ? "one shard a batch" : "batches that span shards"),
                     {"4 shards", [&] { four.run(work, threads); }}, {"one cache", [&] { one.run(work, threads); }},
                     batches_a_run, "batch");
      tell("4 shards", four);
      tell("one cache", one);
      std::printf("\n");
    }
  }
}
