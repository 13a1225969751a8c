#include "replay/serving.hpp"

#include "replay/format.hpp"

#include <kvstrata/simulate/random.hpp>

#include <time.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace replay {
namespace {

constexpr std::size_t most_buckets = 24;

bool is_copy(const kvstrata::op_span& s)
{
  using kind = kvstrata::operation_kind;
  return s.kind == kind::copy_to_device || s.kind == kind::copy_from_device || s.kind == kind::copy_on_host;
}

/// Layers follow one another in a lane's copies, each with as many, when one transfer made them all.
std::string copy_label(std::size_t copies, std::size_t bytes, std::string_view layer)
{
  return std::string(layer) + (layer.empty() ? "" : ": ") + std::to_string(copies) +
         (copies == 1 ? " copy, " : " copies, ") + bytes_text(bytes);
}

/// What becomes one slice of a lane.
enum class slices : std::uint8_t {
  layers,     ///< a layer's copies: the lane is one transfer
  stretches,  ///< copies with no gap between
  copies,     ///< each copy, where there are not too many
};

void add_copies(timeline& t, std::vector<const kvstrata::op_span*>& copies, double begin, std::uint32_t layers,
                slices how)
{
  constexpr double apart = 50e-6;
  constexpr std::size_t too_many = 64;
  std::sort(copies.begin(), copies.end(),
            [](const kvstrata::op_span* a, const kvstrata::op_span* b) { return a->begin < b->begin; });
  const bool by_layer = how == slices::layers && layers != 0 && copies.size() % layers == 0;
  const bool by_copy = how == slices::copies && copies.size() <= too_many;
  const std::size_t a_layer = by_layer ? copies.size() / layers : copies.size();
  const auto belong_together = [&](std::size_t last, std::size_t next, std::size_t first) {
    if (by_layer) return next / a_layer == first / a_layer;
    return !by_copy && copies[next]->begin - copies[last]->end < apart;
  };
  for (std::size_t from = 0; from < copies.size();) {
    std::size_t to = from + 1;
    std::size_t bytes = copies[from]->bytes;
    while (to < copies.size() && belong_together(to - 1, to, from)) bytes += copies[to++]->bytes;
    t.spans.push_back({copies[from]->stream_name,
                       copy_label(to - from, bytes, by_layer ? "layer " + std::to_string(from / a_layer) : ""),
                       copies[from]->begin - begin, copies[to - 1]->end - begin, work_kind::copy});
    from = to;
  }
}

}  // namespace

std::vector<sampled_request> draw_sample(const workload& w, double share, std::uint64_t seed)
{
  std::vector<sampled_request> out;
  for (std::size_t b = 0; b < w.batches.size(); ++b) {
    for (std::size_t r = 0; r < w.batches[b].requests.size(); ++r) {
      kvstrata::random_source random(kvstrata::derive_seed(seed, w.batches[b].requests[r].number + (1u << 20)));
      if (random.uniform() < share) out.push_back({b, r});
    }
  }
  // A share of few requests may be none: asked to verify, verify something.
  if (out.empty() && share > 0 && !w.batches.empty()) out.push_back({w.batches.size() - 1, 0});
  return out;
}

std::size_t choose_pictured(const workload& w, const std::vector<token_split>& splits)
{
  std::size_t best = splits.empty() ? w.batches.size() - 1 : splits.size() / 2;
  double best_worth = -1;
  for (std::size_t b = splits.size() / 2; b < splits.size(); ++b) {
    const token_split& t = splits[b];
    if (t.computed == 0 || t.computed_share() > 0.25) continue;
    const double worth = static_cast<double>((std::min)(t.fetched(), std::uint64_t{12'000}));
    if (worth > best_worth) {
      best_worth = worth;
      best = b;
    }
  }
  return best;
}

void recorder::batch(std::size_t number, double seconds, const token_split& tokens)
{
  batches_.push_back({number, tokens});
  for (const served_request& r : load_->batches[number].requests) {
    latencies_.insert(latencies_.end(), r.answers, seconds);
  }
}

case_result recorder::result() const
{
  case_result c;
  c.batches = batches_.size();
  c.requests = latencies_.size();
  c.latency = summarize(latencies_);
  c.seconds = seconds_;
  c.requests_per_second = seconds_ > 0 ? static_cast<double>(c.requests) / seconds_ : 0;
  c.control_seconds = control_seconds_;
  c.queue_seconds = queue_seconds_;
  const std::vector<std::size_t> cuts = even_cuts(batches_.size(), most_buckets);
  for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
    const served_batch& first = load_->batches[batches_[cuts[i]].number];
    const served_batch& last = load_->batches[batches_[cuts[i + 1] - 1].number];
    split_bucket bucket{first.first, last.last - first.first, {}};
    for (std::size_t b = cuts[i]; b < cuts[i + 1]; ++b) bucket.tokens += batches_[b].tokens;
    c.tokens += bucket.tokens;
    c.over_time.push_back(bucket);
  }
  c.batch = picture_;
  return c;
}

timeline make_timeline(const workload& w, std::size_t batch, const token_split& tokens,
                       const std::vector<kvstrata::op_span>& spans, double begin, std::uint32_t layers, bool one_onload)
{
  constexpr double least_stall = 5e-6;
  timeline t;
  t.batch = batch;
  t.requests = w.batches[batch].requests.size();
  t.tokens = tokens;
  std::map<std::string, std::vector<const kvstrata::op_span*>> copies;
  for (const kvstrata::op_span& s : spans) {
    using kind = kvstrata::operation_kind;
    if (is_copy(s)) copies[s.stream_name].push_back(&s);
    else if (s.kind == kind::copy_kernel)
      t.spans.push_back(
          {s.stream_name, s.label + ", " + bytes_text(s.bytes), s.begin - begin, s.end - begin, work_kind::copy});
    else if (s.kind == kind::kernel)
      t.spans.push_back({s.stream_name, s.label, s.begin - begin, s.end - begin, work_kind::compute});
    else if (s.kind == kind::wait && s.end - s.begin >= least_stall)
      t.spans.push_back({s.stream_name, s.label, s.begin - begin, s.end - begin, work_kind::stall});
  }
  // What lands in a window and what goes straight to its pages are two transfers.
  const bool relocated =
      std::any_of(spans.begin(), spans.end(), [](const kvstrata::op_span& s) { return s.stream_name == "relocate"; });
  for (auto& [lane, list] : copies) {
    const slices how = lane != "onload"           ? slices::stretches
                       : one_onload && !relocated ? slices::layers
                                                  : slices::copies;
    add_copies(t, list, begin, layers, how);
  }
  std::stable_sort(t.spans.begin(), t.spans.end(),
                   [](const span_of_work& a, const span_of_work& b) { return a.begin < b.begin; });
  return t;
}

double thread_seconds() noexcept
{
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace replay
