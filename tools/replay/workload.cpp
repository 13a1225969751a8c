#include "replay/workload.hpp"

#include "replay/format.hpp"
#include "replay/trained_trace.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/batcher.hpp>
#include <kvstrata/simulate/candidates.hpp>
#include <kvstrata/simulate/history_scale.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/random.hpp>
#include <kvstrata/simulate/synthetic.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>

namespace replay {
namespace {

using kvstrata::token_count;
using kvstrata::trace;
using kvstrata::trace_event;
using kvstrata::trace_request;

constexpr token_count tokens_an_event = 2;

double mean_history(const trace& t)
{
  double sum = 0;
  for (const trace_request& r : t.requests) sum += r.history;
  return t.requests.empty() ? 0 : sum / static_cast<double>(t.requests.size());
}

/// Two significant digits, so that the scale can be said and typed again.
double round_scale(double scale)
{
  const double digit = std::pow(10.0, std::floor(std::log10(scale)) - 1);
  return std::clamp(std::round(scale / digit) * digit, 1e-6, 1000.0);
}

/// The scale asked for, or the one that gives requests the usual length.
double choose_scale(const options& o, const trace& t)
{
  if (o.history_scale > 0) return o.history_scale;
  const double mean = mean_history(t);
  return mean > 0 ? round_scale(usual_events / mean) : 1;
}

/// Keeps a seeded sample of the users, and all of their requests up to a number.
trace sample_users(const trace& whole, std::uint64_t users, std::uint64_t requests, std::uint64_t seed)
{
  std::vector<char> asks(whole.user_count(), 0);
  for (const trace_request& r : whole.requests) asks[r.user] = 1;
  std::vector<std::uint32_t> kept;
  for (std::uint32_t u = 0; u < whole.user_count(); ++u) {
    if (asks[u] != 0) kept.push_back(u);
  }
  if (users < kept.size()) {
    kvstrata::random_source random(kvstrata::derive_seed(seed, 71));
    for (std::size_t k = 0; k < users; ++k) {
      const auto left = static_cast<std::uint32_t>(kept.size() - k);
      std::swap(kept[k], kept[k + random.below(left)]);
    }
    kept.resize(users);
    std::sort(kept.begin(), kept.end());
  }

  constexpr std::uint32_t nobody = (std::numeric_limits<std::uint32_t>::max)();
  std::vector<std::uint32_t> number(whole.user_count(), nobody);
  trace t;
  t.name = whole.name;
  t.items = whole.items;
  t.event_begin.push_back(0);
  for (const std::uint32_t u : kept) {
    number[u] = static_cast<std::uint32_t>(t.users.size());
    t.users.push_back(whole.users[u]);
    t.earlier.push_back(whole.earlier[u]);
    const std::span<const trace_event> mine = whole.events_of(u);
    t.events.insert(t.events.end(), mine.begin(), mine.end());
    t.event_begin.push_back(t.events.size());
  }
  for (const trace_request& r : whole.requests) {
    if (number[r.user] == nobody) continue;
    if (t.requests.size() == requests) break;
    t.requests.push_back({r.time_ms, number[r.user], r.history});
  }
  return t;
}

/// The requests of users who ask while they watch: one for every minute of a user's log that holds events, after the
/// last of them.
void ask_by_minute(trace& t, std::uint64_t requests)
{
  constexpr std::int64_t minute_ms = 60'000;
  std::vector<trace_request> asked;
  for (std::uint32_t u = 0; u < t.user_count(); ++u) {
    const std::span<const trace_event> mine = t.events_of(u);
    for (std::size_t e = t.earlier[u]; e < mine.size(); ++e) {
      if (e + 1 < mine.size() && mine[e + 1].time_ms / minute_ms == mine[e].time_ms / minute_ms) continue;
      asked.push_back({mine[e].time_ms, u, static_cast<token_count>(e + 1)});
    }
  }
  std::sort(asked.begin(), asked.end(), [](const trace_request& a, const trace_request& b) {
    return a.time_ms != b.time_ms ? a.time_ms < b.time_ms : a.user < b.user;
  });
  if (asked.size() > requests) asked.resize(requests);
  t.requests = std::move(asked);
}

trace make_synthetic(const options& o, double& scale)
{
  kvstrata::synthetic_config c;
  c.users = static_cast<std::uint32_t>((std::min)(o.users, std::uint64_t{10'000'000}));
  c.requests = o.requests;
  c.seed = o.seed;
  // A user comes about nine times in 14 days; 14 more wherever that may not be enough.
  const double rounds = std::ceil(static_cast<double>(o.requests) / (6.0 * static_cast<double>(o.users)));
  c.days = 14 * std::clamp(rounds, 1.0, 200.0);
  c.history_scale = 0.01;  // a small one tells the mean already
  scale = o.history_scale > 0 ? o.history_scale
                              : round_scale(usual_events / mean_history(kvstrata::make_synthetic(c)) * 0.01);
  c.history_scale = scale;
  if (o.stream == "interaction") {
    // A user watches some 378 videos a day, four a minute.
    const double a_day = 45.0 * (std::min)(scale, 1.0) * static_cast<double>(o.users);
    c.requests = 0;
    c.days = std::clamp(std::ceil(static_cast<double>(o.requests) / a_day), 1.0, 3650.0);
  }
  trace t = kvstrata::make_synthetic(c);
  if (o.stream == "interaction") ask_by_minute(t, o.requests);
  return t;
}

/// Nobody's history grows beyond so many tokens.
void stop_growth(trace& t, token_count most, workload_facts& facts)
{
  if (most == 0) return;
  std::uint64_t cut = 0;
  for (trace_request& r : t.requests) {
    if (r.history <= most / tokens_an_event) continue;
    r.history = most / tokens_an_event;
    ++cut;
  }
  if (cut == 0) return;
  facts.notes.push_back("Histories stop to grow at " + with_commas(most) + " tokens (--most-history): those of " +
                        with_commas(cut) + " requests do.");
}

trace read_trace(const options& o, double& scale, workload_facts& facts)
{
  kvstrata::kuairand_options how;
  how.requests.stream =
      o.stream == "session" ? kvstrata::request_stream::session : kvstrata::request_stream::interaction;
  how.seed = o.seed;
  const trace whole = kvstrata::read_kuairand(o.trace, how);
  trace part = sample_users(whole, o.users, o.requests, o.seed);
  if (part.user_count() < whole.user_count() || part.requests.size() < whole.requests.size()) {
    facts.notes.push_back("Of the trace's " + with_commas(whole.user_count()) + " users and " +
                          with_commas(whole.requests.size()) + " requests, a seeded sample of " +
                          with_commas(part.user_count()) + " users and the first " + with_commas(part.requests.size()) +
                          " of their requests are served, each user with all of their gaps (--users, --requests).");
  }
  const auto drawn = std::count_if(part.events.begin(), part.events.end(),
                                   [](const trace_event& e) { return e.action == kvstrata::action::unknown; });
  if (drawn != 0) {
    facts.notes.push_back(
        "The excerpt tells how long a user's earlier history is and names its last 50 videos; what "
        "lies before those is drawn, seeded, from the user's own last 50.");
  }
  scale = choose_scale(o, part);
  return scale == 1 ? part : kvstrata::scale_history(part, scale, o.seed);
}

/// As the model was trained to read it.
trace read_for_model(const options& o, const hstu::config& model, workload_facts& facts)
{
  const token_count tokens = o.most_history != 0 ? (std::min)(o.most_history, model.max_tokens) : model.max_tokens;
  const trace whole = read_trained_trace(o, model, tokens / tokens_an_event);
  trace part = sample_users(whole, o.users, o.requests, o.seed);
  facts.notes.push_back(
      "A trained model: videos are its rows, a history is the user's last " + with_commas(tokens / tokens_an_event) +
      " events at most (--most-history), without what the excerpt does not name" +
      (o.users_of.empty() ? "" : ", of users whose number leaves " + o.users_of + " (--users-of)") + ". Of " +
      with_commas(whole.user_count()) + " users and " + with_commas(whole.requests.size()) + " requests, " +
      with_commas(part.user_count()) + " and " + with_commas(part.requests.size()) + " are served.");
  return part;
}

/// Items of a workload that knows nothing of the model, in its rows.
void fold_items(trace& t, const hstu::config& model)
{
  if (model.ids != hstu::item_ids::rows) return;
  for (trace_event& e : t.events) e.item %= model.items;
  t.items = (std::min)(t.items, model.items);
}

void tell_scale(workload_facts& facts, double scale, bool synthetic)
{
  if (scale == 1) return;
  facts.notes.push_back(std::string("History lengths are ") +
                        (synthetic ? "the published ones of KuaiRand-1K" : "the trace's") + " times " +
                        fixed(scale, scale < 0.1  ? 4
                                     : scale < 10 ? 2
                                                  : 0) +
                        " (--history-scale)" +
                        (scale > 1 && !synthetic ? "; what is added repeats the user's own events."
                                                 : ", so that all can be recomputed."));
}

void fill_facts(workload& w, const trace& t, const options& o)
{
  std::vector<token_count> lengths;
  std::vector<token_count> last(t.user_count(), 0);
  for (const trace_request& r : t.requests) {
    lengths.push_back(r.history * tokens_an_event);
    last[r.user] = (std::max)(last[r.user], r.history * tokens_an_event);
  }
  w.facts.requests = lengths.size();
  w.facts.users = 0;
  std::vector<char> asks(t.user_count(), 0);
  for (const trace_request& r : t.requests) asks[r.user] = 1;
  for (const char asked : asks) w.facts.users += asked != 0 ? 1u : 0u;
  w.facts.working_set = std::accumulate(last.begin(), last.end(), std::uint64_t{0});
  std::sort(lengths.begin(), lengths.end());
  const std::span<const token_count> sorted(lengths);
  w.facts.history_mean = mean_history(t) * tokens_an_event;
  w.facts.history_p50 = percentile(sorted, 0.5);
  w.facts.history_p90 = percentile(sorted, 0.9);
  w.facts.history_max = w.longest = lengths.empty() ? 0 : lengths.back();
  w.facts.source = is_synthetic(o) ? "a synthetic workload" : t.name.empty() ? o.trace : t.name;
  w.facts.stream = is_synthetic(o) && o.stream == "session" ? "" : o.stream;
  w.facts.description =
      is_synthetic(o)
          ? "Synthetic users whose history lengths, gaps between visits and hours of the day follow what is published "
            "about KuaiRand-1K and KuaiRand-Pure."
          : "Real users of a short-video app (KuaiRand), each request at its place in the trace.";
}

void convert_histories(workload& w, const trace& t)
{
  for (std::uint32_t u = 0; u < t.user_count(); ++u) {
    user_history h;
    for (const trace_event& e : t.events_of(u)) {
      h.items.push_back(e.item);
      h.actions.push_back(e.action);
      h.times.push_back(e.time_ms / 1000);
    }
    w.histories.push_back(std::move(h));
  }
}

workload build(const options& o, bool for_model, const hstu::config* model)
{
  workload w;
  const bool trained = model != nullptr && !is_synthetic(o);
  trace t = is_synthetic(o) ? make_synthetic(o, w.history_scale)
            : trained       ? read_for_model(o, *model, w.facts)
                            : read_trace(o, w.history_scale, w.facts);
  if (model != nullptr) fold_items(t, *model);
  if (!trained) stop_growth(t, o.most_history, w.facts);
  tell_scale(w.facts, w.history_scale, is_synthetic(o));
  w.items = t.items;
  fill_facts(w, t, o);
  if (for_model) convert_histories(w, t);

  kvstrata::batcher_options how;
  how.batch_size = o.batch;
  constexpr std::int64_t forever_ms = std::int64_t{1} << 52;
  how.window_ms = o.window_seconds > 0 ? std::max<std::int64_t>(1, std::llround(o.window_seconds * 1000)) : forever_ms;
  kvstrata::candidate_options asked;
  asked.count = o.candidates;
  asked.seed = o.seed;
  std::vector<std::uint32_t> items;
  std::uint64_t merged = 0;
  for (const kvstrata::trace_batch& b : kvstrata::form_batches(t.requests, how)) {
    served_batch out;
    merged += b.merged();
    out.first = b.first;
    out.last = b.last;
    for (const kvstrata::batched_request& r : b.requests) {
      if (for_model) kvstrata::draw_candidates(items, t, r.asked, asked);
      served_request one;
      one.user = t.users[r.asked.user];
      one.history_of = r.asked.user;
      one.number = b.first;
      while (t.requests[one.number].user != r.asked.user) ++one.number;
      one.answers = r.answers;
      one.tokens = r.asked.history * tokens_an_event;
      one.time = r.asked.time_ms / 1000;
      one.candidates.assign(items.begin(), items.end());
      const std::span<const trace_event> mine = t.events_of(r.asked.user);
      if (trained && one.tokens != 0 && r.asked.history + 1 == mine.size()) one.next_item = mine.back().item;
      out.requests.push_back(std::move(one));
    }
    w.batches.push_back(std::move(out));
  }
  if (merged != 0) {
    w.facts.notes.push_back(with_commas(merged) +
                            " requests share the answer of another of their user in the same batch.");
  }
  return w;
}

}  // namespace

workload make_workload(const options& o, const hstu::config* model) { return build(o, true, model); }

workload make_larger_workload(const options& o, double scale, const hstu::config* model)
{
  constexpr std::uint64_t larger = 16;
  options more = o;
  more.users = (std::max)(o.users, (std::min)(o.users * larger, std::uint64_t{2048}));
  more.requests = (std::max)(o.requests, (std::min)(o.requests * larger, std::uint64_t{16'384}));
  more.history_scale = scale;
  return build(more, false, model);
}

kvstrata::page_count largest_batch_pages(const workload& w, kvstrata::token_count page_tokens)
{
  kvstrata::page_count most = 0;
  for (const served_batch& b : w.batches) {
    kvstrata::page_count pages = 0;
    for (const served_request& r : b.requests) pages += (r.tokens + page_tokens - 1) / page_tokens;
    most = (std::max)(most, pages);
  }
  return most;
}

}  // namespace replay
