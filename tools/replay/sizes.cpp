#include "replay/sizes.hpp"

#include "replay/format.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace replay {
namespace {

constexpr double published_mean_tokens = 2 * 11'713;  // KuaiRand-1K
constexpr double published_chunk_tokens = 1024;       // MTServe
constexpr std::size_t mib = std::size_t{1} << 20;

std::size_t pages_for(double share, const workload& w, kvstrata::token_count page_tokens)
{
  const double pages = std::ceil(share * static_cast<double>(w.facts.working_set) / page_tokens);
  return (std::max)(std::size_t{1}, static_cast<std::size_t>(pages));
}

/// 1,024 tokens of KuaiRand-1K's mean history; the same part of this workload's, in whole pages.
kvstrata::token_count scaled_chunk(const workload& w, kvstrata::token_count page_tokens)
{
  const double tokens = published_chunk_tokens * (std::min)(1.0, w.facts.history_mean / published_mean_tokens);
  return page_tokens * (std::max)(1u, static_cast<kvstrata::token_count>(std::lround(tokens / page_tokens)));
}

std::string share_of(std::size_t bytes, const workload& w, const kvstrata::geometry& shape)
{
  if (w.facts.working_set == 0) return "all";
  return percent(static_cast<double>(bytes) / static_cast<double>(w.facts.working_set * shape.token_bytes()));
}

bool fits(std::size_t cases, const cache_sizes& s, std::uint64_t memory_bytes)
{
  return memory_bytes == 0 || cases * (s.device_bytes + s.host_bytes) <= memory_bytes / 10 * 8;
}

}  // namespace

std::uint32_t rounds_that_fit(const options& o, const cache_sizes& s, workload& w, std::uint64_t memory_bytes)
{
  if (o.rounds == 1 || fits(o.cases.size(), s, memory_bytes)) return o.rounds;
  w.facts.notes.push_back("The cases ran one after the other, not in turns: together their tiers would take " +
                          bytes_text(o.cases.size() * (s.device_bytes + s.host_bytes)) + ", and this machine has " +
                          bytes_text(memory_bytes) + ".");
  return 1;
}

void fit_to(cache_sizes& s, const workload& w)
{
  s.window_bytes = std::size_t{(std::max)(1u, largest_batch_pages(w, s.page_tokens))} * s.page_bytes();
  s.longest = (std::max)(1u, (w.longest + s.page_tokens - 1) / s.page_tokens) * s.page_tokens;
}

cache_sizes choose_sizes(const options& o, workload& w, const kvstrata::geometry& shape, std::uint64_t memory_bytes)
{
  cache_sizes s;
  s.shape = shape;
  s.page_tokens = o.page_tokens;
  s.chunk_tokens = o.chunk_tokens ? *o.chunk_tokens : scaled_chunk(w, o.page_tokens);
  const std::size_t least = std::size_t{largest_batch_pages(w, o.page_tokens)} * s.page_bytes();
  s.device_bytes = o.device_mib ? *o.device_mib * mib : pages_for(o.device_share, w, o.page_tokens) * s.page_bytes();
  s.host_bytes = o.host_mib ? *o.host_mib * mib : pages_for(o.host_share, w, o.page_tokens) * s.page_bytes();
  if (o.device_mib && s.device_bytes < least) {
    throw kvstrata::config_error("--device-mib", *o.device_mib,
                                 "the largest batch needs " + std::to_string((least + mib - 1) / mib) + " MiB" +
                                     "; give more memory, smaller batches or shorter histories");
  }
  s.device_bytes = (std::max)(s.device_bytes, least);
  s.batch = o.batch;
  s.cluster = o.cluster;
  if (!o.nvme.empty()) {
    constexpr std::uint64_t block = 4096;
    s.store_path = o.nvme;
    s.store_region_bytes =
        o.nvme_region_bytes.value_or((std::min)(std::uint64_t{64} * mib, *o.nvme_bytes / 16 / block * block));
    s.store_bytes = *o.nvme_bytes / s.store_region_bytes * s.store_region_bytes;
    if (s.store_region_bytes / 4 < s.page_bytes()) {
      throw kvstrata::config_error(o.nvme_region_bytes ? "--nvme-region-bytes" : "--nvme-bytes",
                                   o.nvme_region_bytes.value_or(*o.nvme_bytes),
                                   "a region, which would have " + bytes_text(s.store_region_bytes) +
                                       ", must hold four pages of " + bytes_text(s.page_bytes()));
    }
  }
  fit_to(s, w);
  if (s.host_bytes < s.page_bytes()) {
    throw kvstrata::config_error("--host-mib", *o.host_mib, "one page needs " + bytes_text(s.page_bytes()));
  }

  if (!fits(1, s, memory_bytes)) {
    throw kvstrata::config_error(
        "slab and arena together", bytes_text(s.device_bytes + s.host_bytes),
        "this machine has " + bytes_text(memory_bytes) + "; take smaller tiers or fewer users");
  }

  w.facts.notes.push_back("Each cache has a slab of " + bytes_text(s.device_bytes) + " (" +
                          share_of(s.device_bytes, w, shape) +
                          " of all users' tokens) and, where it has an arena, one of " + bytes_text(s.host_bytes) +
                          " (" + share_of(s.host_bytes, w, shape) + ").");
  if (!o.chunk_tokens && s.chunk_tokens != static_cast<kvstrata::token_count>(published_chunk_tokens)) {
    w.facts.notes.push_back(
        "Chunks of the arena are shortened as the histories are: " + std::to_string(s.chunk_tokens) +
        " tokens, where the paper has 1,024 for histories of 23,000 on average (--chunk-tokens).");
  }
  return s;
}

}  // namespace replay
