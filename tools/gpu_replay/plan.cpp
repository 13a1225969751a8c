#include "gpu_replay/plan.hpp"

#include "gpu_replay/model.hpp"
#include "hstu/gpu/support.hpp"
#include "replay/case_list.hpp"
#include "replay/format.hpp"
#include "replay/sentences.hpp"
#include "replay/simulate.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <array>
#include <sstream>

namespace gpu_replay {
namespace {

constexpr std::array<const char*, 3> simulated{"device", "mtserve", "default"};

void tell_case(std::ostringstream& out, const std::string& key, const replay::workload& w, const replay::cache_sizes& s)
{
  replay::token_split sum;
  for (const replay::token_split& split : simulate(key, w, s)) sum += split;
  const double token_bytes = static_cast<double>(s.shape.token_bytes());
  out << "  " << replay::find_entry(key).name << ": slab " << replay::percent(sum.level_share(0)) << ", arena "
      << replay::percent(sum.level_share(1)) << ", computed " << replay::percent(sum.computed_share()) << "; about "
      << replay::bytes_text(static_cast<std::uint64_t>(static_cast<double>(sum.fetched()) * token_bytes))
      << " to fetch\n";
}

}  // namespace

std::vector<replay::token_split> simulate(const std::string& key, const replay::workload& w,
                                          const replay::cache_sizes& s)
{
  using namespace kvstrata;
  using replay::case_tracker;
  using device = emulated_device;
  if (key == "device") return replay::simulate<device_only_cache<device, lru, case_tracker>>(w, s, {});
  if (key == "mtserve") return replay::simulate<mtserve_cache<device, case_tracker>>(w, s, {});
  if (key == "default") return replay::simulate<default_cache<device, lru, case_tracker>>(w, s, {});
  throw config_error("the case to simulate", "'" + key + "'", "it must be device, mtserve or default");
}

std::string plan_text(const options& o)
{
  replay::workload w = replay::make_workload(o.serve);
  const hstu::config c = model_of(o, w);
  hstu::gpu::check_gpu(c);
  const replay::cache_sizes s = replay::choose_sizes(o.serve, w, hstu::gpu::bf16_geometry_of(c), 0);
  double flops = 0;
  double sampled = 0;
  for (std::size_t b = 0; b < w.batches.size(); ++b) {
    const double batch = flops_alone(c, w.batches[b]);
    flops += batch;
    if (b % o.no_cache_every == 0) sampled += batch;
  }
  std::ostringstream out;
  out << replay::workload_sentence(w.facts) << '\n';
  for (const std::string& note : w.facts.notes) out << note << '\n';
  out << "Batches: " << replay::with_commas(w.batches.size()) << ", the largest of "
      << replay::with_commas(replay::largest_batch_pages(w, s.page_tokens)) << " pages of "
      << replay::bytes_text(s.page_bytes()) << "; a token is " << replay::bytes_text(s.shape.token_bytes())
      << ", all tokens at the end " << replay::bytes_text(w.facts.working_set * s.shape.token_bytes()) << ".\n"
      << "Without a cache: " << replay::short_number(flops / 1e12) << " TFLOP, of which "
      << replay::short_number(sampled / 1e12) << " are computed (--no-cache-every).\n"
      << "Tokens by level, simulated:\n";
  for (const char* key : simulated) tell_case(out, key, w, s);
  return out.str();
}

}  // namespace gpu_replay
