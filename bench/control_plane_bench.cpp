// What deciding costs: prepare, layer marks, commit and release of a batch of 8, device work left out.
//
//   all in the slab      every token of every user lies in pages of the slab
//   all from the arena   every user was evicted; nothing is in the slab, everything below
//   a session stream     KuaiRand-Pure's sessions, 2 tokens an event, on a slab too small for reuse; every user
//                        fits the arena. Skipped where the trace is absent
//
// The model has MTServe's shape (8 layers, 4 heads x 128, bf16); in the first two, users have 23,424 tokens, the mean
// of KuaiRand-1K.
#include "command_line/source_dir.hpp"
#include "support/naive_control_plane.hpp"
#include "support/paired.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/simulate/batcher.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/simulate/kuairand.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <vector>

namespace {

using namespace kvstrata;

constexpr geometry shape{.layers = 8, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
constexpr token_count history = 23'424;
constexpr std::uint32_t page_tokens = 32;
constexpr std::size_t batch = 8;
constexpr page_count pages_per_user = history / page_tokens;

template <class Cache>
class subject
{
 public:
  subject(std::size_t slab_pages, std::size_t arena_pages)
      : cache_(device_, {.shape = shape,
                         .tiers = {{.bytes = slab_pages * page_bytes(shape, page_tokens)},
                                   {.bytes = arena_pages * page_bytes(shape, page_tokens)}}}),
        compute_(device_.create_stream("compute"))
  {
  }

  void serve(std::span<const request> requests)
  {
    auto lease = cache_.prepare(requests, compute_).value();
    for (layer_index layer = 0; layer < shape.layers; ++layer) lease.layer_done(layer);
    lease.commit();
    lease.release();
  }

  [[nodiscard]] counters::snapshot counts() { return cache_.tracker().read(); }

 private:
  dataless_device device_;
  Cache cache_;
  stream_id compute_;
};

using default_subject = subject<default_cache<dataless_device, lru, counters>>;
using batches = std::vector<std::vector<request>>;

void compare_case(const char* what, std::size_t slab_pages, std::size_t arena_pages, const batches& stream)
{
  default_subject ours(slab_pages, arena_pages);
  bench::naive_control_plane naive(static_cast<std::uint32_t>(slab_pages), page_tokens, shape.layers);
  std::uint64_t copies = 0;
  const auto copy = [&copies](std::uint32_t, std::int32_t) { ++copies; };
  bench::compare(what,
                 {"default_cache",
                  [&] {
                    for (const auto& requests : stream) ours.serve(requests);
                  }},
                 {"page by page",
                  [&] {
                    for (const auto& requests : stream) {
                      for (const request& r : requests) naive.prepare(to_number(r.user), r.history_tokens, copy);
                    }
                  }},
                 static_cast<double>(stream.size()), "batch");
  const counters::snapshot c = ours.counts();
  const double all = static_cast<double>(c.served_tokens[0] + c.served_tokens[1] + c.computed_tokens);
  std::printf("  default_cache served %.1f %% from the slab, %.1f %% from the arena\n\n",
              100 * static_cast<double>(c.served_tokens[0]) / all, 100 * static_cast<double>(c.served_tokens[1]) / all);
}

/// `rounds` batches of 8 users in turn, of `users` in all.
batches round_robin(std::uint64_t users, int rounds)
{
  batches stream;
  std::uint64_t next = 0;
  for (int round = 0; round < rounds; ++round) {
    std::vector<request>& requests = stream.emplace_back();
    for (std::size_t i = 0; i < batch; ++i) {
      requests.push_back({.user = user_id{next++ % users}, .history_tokens = history});
    }
  }
  return stream;
}

batches sessions(const std::filesystem::path& folder)
{
  const trace t = read_kuairand(folder);
  batches stream;
  for (const trace_batch& b : form_batches(t.requests, {.batch_size = batch})) {
    std::vector<request>& requests = stream.emplace_back();
    for (const batched_request& r : b.requests) {
      requests.push_back({.user = t.users[r.asked.user], .history_tokens = 2 * r.asked.history});
    }
  }
  return stream;
}

std::filesystem::path data_folder()
{
  const char* const set = std::getenv("KVSTRATA_DATA");
  return set != nullptr ? std::filesystem::path(set) : tools::source_dir() / "../shared/data";
}

}  // namespace

int main()
{
  compare_case("all in the slab: 8 of 64 users of 23,424 tokens", 64 * pages_per_user, 64 * pages_per_user,
               round_robin(64, 200));
  compare_case("all from the arena: the slab holds 16 of 64 users", 16 * pages_per_user, 64 * pages_per_user,
               round_robin(64, 200));
  const std::filesystem::path trace = data_folder() / "kuairand-pure-2w";
  if (std::filesystem::exists(trace)) {
    compare_case("a session stream: KuaiRand-Pure, 25,156 users", 256, 200'000, sessions(trace));
  } else {
    std::printf("SKIPPED: a session stream, because the trace kuairand-pure-2w is not on this machine\n");
  }
}
