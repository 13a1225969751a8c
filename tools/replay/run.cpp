#include "replay/run.hpp"

#include "replay/calibrate.hpp"
#include "replay/case_list.hpp"
#include "replay/cases.hpp"
#include "replay/codec_cases.hpp"
#include "replay/format.hpp"
#include "replay/machine.hpp"
#include "replay/model_config.hpp"
#include "replay/processes.hpp"
#include "replay/restart.hpp"
#include "replay/seen_values.hpp"
#include "replay/traces.hpp"
#include "replay/verify.hpp"

#include "hstu/model_file.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

namespace replay {
namespace {

/// Sizes of the slab for the curve: from what the largest batch needs to all users' tokens, evenly in the logarithm, and
/// the size that is served with.
std::vector<std::uint64_t> curve_pages(const workload& w, const cache_sizes& s)
{
  constexpr int steps = 7;
  const double least = (std::max)(1u, largest_batch_pages(w, s.page_tokens));
  const double most = (std::max)(least + 1, std::ceil(static_cast<double>(w.facts.working_set) / s.page_tokens) +
                                                static_cast<double>(w.facts.users));
  std::vector<std::uint64_t> pages{s.device_pages()};
  for (int i = 0; i <= steps; ++i) {
    pages.push_back(
        static_cast<std::uint64_t>(std::ceil(least * std::pow(most / least, i / static_cast<double>(steps)))));
  }
  std::sort(pages.begin(), pages.end());
  pages.erase(std::unique(pages.begin(), pages.end()), pages.end());
  return pages;
}

token_split sum_of(const std::vector<token_split>& splits)
{
  token_split sum;
  for (const token_split& s : splits) sum += s;
  return sum;
}

std::vector<capacity_point> capacity_curve(const std::string& key, const workload& w, cache_sizes s,
                                           const std::vector<std::uint64_t>& pages)
{
  std::vector<capacity_point> curve;
  for (const std::uint64_t count : pages) {
    s.device_bytes = count * s.page_bytes();
    if (device_bytes_of(key, s) > s.device_bytes) continue;  // it could not serve a batch from that
    const double tokens = static_cast<double>(count) * s.page_tokens;
    curve.push_back({count, w.facts.working_set == 0 ? 0 : tokens / static_cast<double>(w.facts.working_set),
                     sum_of(simulate_case(key, w, s))});
  }
  return curve;
}

/// The curves of all cases, with more users and requests than are served, on an arena as large in proportion.
void draw_capacity(const options& o, results& r, workload& load, cache_sizes s, const hstu::config* trained,
                   progress& shown)
{
  // Over a store nothing can be simulated without data.
  const auto drawn = [](const std::string& key) {
    return key != "none" && !is_over_store(key) && !find_entry(key).same_hits;
  };
  const auto curves = static_cast<std::uint64_t>(std::count_if(o.cases.begin(), o.cases.end(), drawn));
  if (curves == 0 || load.facts.working_set == 0) return;
  shown.start("capacity curve", curves);
  const workload more = make_larger_workload(o, load.history_scale, trained);
  const double larger = static_cast<double>(more.facts.working_set) / static_cast<double>(load.facts.working_set);
  const auto scaled = [&](std::size_t bytes) {
    return static_cast<std::size_t>(
               std::ceil(static_cast<double>(bytes) / static_cast<double>(s.page_bytes()) * larger)) *
           s.page_bytes();
  };
  s.device_bytes = scaled(s.device_bytes);
  s.host_bytes = scaled(s.host_bytes);
  fit_to(s, more);
  const std::vector<std::uint64_t> pages = curve_pages(more, s);
  for (std::size_t i = 0; i < r.cases.size(); ++i) {
    if (!drawn(o.cases[i])) continue;
    r.cases[i].capacity = capacity_curve(o.cases[i], more, s, pages);
    shown.advance();
  }
  shown.finish();
  load.facts.notes.push_back("The curve of hit ratio against capacity is simulated on " +
                             with_commas(more.facts.users) + " users and " + with_commas(more.facts.requests) +
                             " requests of the same workload.");
}

/// Serves all batches in every case, the cases taking turns; or one case after the other when there is one round.
struct served_all
{
  std::vector<case_result> results;
  std::vector<std::vector<std::vector<float>>> scores;
  std::vector<case_trace> traces;
  std::vector<std::string> remarks;
};

served_all serve(const options& o, const serving_context& context, const cpu_machine& machine, std::uint32_t rounds,
                 progress& shown)
{
  served_all out;
  const std::size_t first = context.first;
  const std::size_t batches = context.load.batches.size();
  const auto served = [&shown] { shown.advance(); };
  const auto keep = [&](const std::string& key, const served_case& c) {
    case_result result = c.result();
    const case_entry& who = find_entry(key);
    result.key = key;
    result.name = who.name;
    result.description = who.description;
    out.results.push_back(std::move(result));
    out.scores.push_back(c.scores());
    if (std::string remark = c.remark(); !remark.empty()) out.remarks.push_back(std::move(remark));
    if (!c.trace().empty()) out.traces.push_back({who.name, c.trace()});
  };
  if (rounds == 1) {
    for (const std::string& key : o.cases) {
      shown.start(find_entry(key).name, batches - first);
      const std::unique_ptr<served_case> one = make_case(key, context, machine);
      one->serve(first, batches, served);
      shown.finish();
      keep(key, *one);
    }
    return out;
  }
  std::vector<std::unique_ptr<served_case>> all;
  for (const std::string& key : o.cases) all.push_back(make_case(key, context, machine));
  std::vector<std::size_t> cuts = even_cuts(batches - first, rounds);
  for (std::size_t& cut : cuts) cut += first;
  for (std::size_t round = 0; round + 1 < cuts.size(); ++round) {
    shown.start("serving, round " + std::to_string(round + 1) + " of " + std::to_string(cuts.size() - 1),
                (cuts[round + 1] - cuts[round]) * all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      // Every other round the other way round, so that nobody always follows the same neighbour.
      all[round % 2 == 0 ? i : all.size() - 1 - i]->serve(cuts[round], cuts[round + 1], served);
    }
    shown.finish();
  }
  for (std::size_t i = 0; i < all.size(); ++i) keep(o.cases[i], *all[i]);
  return out;
}

void compare_with_none(std::vector<case_result>& cases)
{
  const auto none = std::find_if(cases.begin(), cases.end(), [](const case_result& c) { return c.name == "no cache"; });
  if (none == cases.end()) return;
  const double seconds = none->seconds;
  for (case_result& c : cases) c.speed_up = c.seconds > 0 ? seconds / c.seconds : 0;
}

/// The batch before which the process ends. Throws kvstrata::config_error where there is none.
std::size_t batch_after(std::uint64_t requests, const workload& load)
{
  const auto at = std::find_if(load.batches.begin(), load.batches.end(),
                               [requests](const served_batch& b) { return b.first >= requests; });
  if (at == load.batches.end()) {
    throw kvstrata::config_error(
        "--restart-at", requests,
        "the last batch begins after " + std::to_string(load.batches.back().first) + " requests");
  }
  return static_cast<std::size_t>(at - load.batches.begin());
}

/// Serves the first batches over the store, in a process that is killed then.
void serve_until_killed(const workload& load, const cache_sizes& sizes, const hstu::trained_model& made_of,
                        hstu::precision in, std::size_t batches, progress& shown)
{
  shown.start("serving until the process is killed", 1);
  do_and_be_killed([&] {
    const hstu::model model(made_of.options, made_of.parameters, 0, in);
    const serving_context context{.load = load, .sizes = sizes, .pictured = load.batches.size()};
    const cpu_machine machine{model, kvstrata::link_model{}};
    make_case(store_case().key, context, machine).release()->serve(0, batches, [] {});  // nothing of it is closed
  });
  shown.advance();
  shown.finish();
}

/// What came back from the store that the killed process left.
std::string restart_sentence(const std::vector<case_result>& cases, std::uint64_t requests)
{
  std::string out = "After " + with_commas(requests) +
                    " requests the process was ended by SIGKILL, and another went on: all "
                    "figures are of the requests after that.";
  const auto find = [&cases](const std::string& key) {
    return std::find_if(cases.begin(), cases.end(), [&key](const case_result& c) { return c.key == key; });
  };
  if (const auto over = find(store_case().key); over != cases.end()) {
    out += " With the store that it left " + with_commas(over->staged_tokens) + " tokens came from the store, and " +
           percent(over->tokens.computed_share()) + " were computed";
    const auto without = find("default");
    out += without == cases.end() ? "." : "; without it " + percent(without->tokens.computed_share()) + " were.";
  }
  return out;
}

/// What codecs were told, and what they keep.
std::string codec_sentence(const options& o, const seen_values& seen)
{
  std::string out =
      "Keys and values are f32 here: exp4 saves an eighth of their bytes, where of bf16, which GPUs serve, it "
      "saves a quarter. Its table was counted on " +
      with_commas(seen.values) + " values of the weights that serve: " + fixed(100 * seen.outside, 3) +
      " % lie outside, of the default table " + fixed(100 * seen.outside_default, 3) + " %. " +
      (seen.from_minimum() ? "No value lies below SiLU's minimum: int8 and int4 count from there."
                           : "Values lie below SiLU's minimum: int8 and int4 are symmetric.");
  if (o.codec.exact_share > 0) {
    out +=
        " A lossy case's verified answers are those of the requests for exact ones; score error and ranks are of the "
        "others.";
  } else {
    out += " Answers of lossy cases are not held to the tolerance; their score errors stand in the table.";
  }
  return out;
}

/// What a model file holds, or random weights for the options.
hstu::trained_model make_weights(const options& o, const workload& w)
{
  const hstu::config c = model_config(o, w);
  hstu::check(c);
  return {c, hstu::random_weights(c)};
}

/// The replay asks for items and their actions, and compares scores.
hstu::trained_model read_weights(const options& o)
{
  hstu::trained_model m = hstu::read_model(o.weights);
  if (m.options.inputs == hstu::token_inputs::by_caller) {
    throw kvstrata::data_error(o.weights, 0, "its inputs are by_caller, but the replay has items and actions only");
  }
  if (m.options.tasks == 0) throw kvstrata::data_error(o.weights, 0, "it has no head, but the replay compares scores");
  return m;
}

/// In which precision everybody computed.
std::string precision_sentence(const options& o)
{
  std::string out = std::string("The model's weights are ") +
                    (o.weights.empty() ? "random (--weights takes trained ones)" : "those of " + o.weights) +
                    ". No cache and every cache computed in " + o.precision +
                    " on the CPU, by the same code, and caches hold keys and values in f32.";
  if (precision_of(o) == hstu::precision::f32) return out;
  return out +
         " Products round both their sides to bf16 and sum in f32. What a sum is rounded to may hang on the rows "
         "beside "
         "it, so two passes over one history agree to bf16's rounding, not to f32's: verification allows " +
         short_number(score_tolerance(hstu::precision::bf16)) + ".";
}

std::vector<setting> settings_used(options o, const workload& w, const cache_sizes& s, const hstu::config& model)
{
  o.layers = model.layers;
  o.hidden = model.hidden;
  o.heads = model.heads;
  o.head_dim = model.head_dim;
  o.position_bias = model.position_buckets != 0;
  o.time_bias = model.time_buckets != 0;
  o.history_scale = w.history_scale;
  o.chunk_tokens = s.chunk_tokens;
  std::vector<setting> out = describe(o);
  for (setting& one : out) {
    if (one.name == "--device-mib" && !o.device_mib) one.value = bytes_text(s.device_bytes) + " (by share)";
    if (one.name == "--host-mib" && !o.host_mib) one.value = bytes_text(s.host_bytes) + " (by share)";
  }
  return out;
}

}  // namespace

results run(const options& o, progress& shown)
{
  check(o);
  hstu::check(precision_of(o), "--precision");
  results r;
  r.machine = this_machine();

  shown.start(is_synthetic(o) ? "making requests" : "reading the trace", 1);
  std::optional<hstu::trained_model> weights;
  if (!o.weights.empty()) weights = read_weights(o);
  const hstu::config* const trained = weights ? &weights->options : nullptr;
  workload load = make_workload(o, trained);
  if (load.batches.empty())
    throw kvstrata::data_error(o.trace.empty() ? "the synthetic workload" : o.trace, 0, "it holds no request to serve");
  if (!weights) weights = make_weights(o, load);
  const hstu::config sizes_of_model = weights->options;
  load.facts.notes.push_back(precision_sentence(o));
  cache_sizes sizes = choose_sizes(o, load, hstu::geometry_of(sizes_of_model), r.machine.memory_bytes);
  shown.advance();
  shown.finish();

  sizes.history_pages = load.facts.history_mean / sizes.page_tokens;
  for (served_batch& batch : load.batches) {
    for (served_request& one : batch.requests) one.exact = wants_exact(one.number, o.codec.exact_share);
  }
  serving_context context{.load = load, .sizes = sizes, .traced = !o.timeline.empty()};
  if (o.restart_at) {  // while this process has no threads yet
    context.first = batch_after(*o.restart_at, load);
    serve_until_killed(load, sizes, *weights, precision_of(o), context.first, shown);
  }

  if (!o.cluster.empty()) {
    context.sizes.cluster_prefix = sizes.cluster_prefix = run_prefix();
    if (o.processes > 1) {  // likewise
      for (std::string& said : serve_in_processes(o, load, sizes, *weights, shown)) {
        load.facts.notes.push_back(std::move(said));
      }
    }
  }

  const std::uint32_t rounds = rounds_that_fit(o, sizes, load, r.machine.memory_bytes);
  shown.start("calibrating", 1);
  const hstu::model model(sizes_of_model, std::move(weights->parameters), 0, precision_of(o));
  // A piece of a batch costs half a copy call: what is reported of small pieces on GPUs is a gain of two.
  const double latency = o.link_latency_us * 1e-6;
  const kvstrata::link_model link{
      .bytes_per_second = o.link_gbps * 1e9, .latency_seconds = latency, .piece_seconds = latency / 2};
  r.balance = calibrate(load, model, link);
  const auto runs = [&o](const char* key) { return std::find(o.cases.begin(), o.cases.end(), key) != o.cases.end(); };
  if (runs("split")) context.sizes.cost = sizes.cost = measure_costs(load, model, link);
  shown.advance();
  shown.finish();

  if (std::any_of(o.cases.begin(), o.cases.end(), find_codec_case)) {
    context.sizes.seen = sizes.seen = see_values(load, model);
    load.facts.notes.push_back(codec_sentence(o, sizes.seen));
  }
  const bool by_default = runs("default") || o.cases.back() == "none" || is_over_store(o.cases.back());
  const std::string model_case = by_default ? "default" : o.cases.back();
  context.pictured = choose_pictured(load, simulate_case(model_case, load, sizes));
  if (context.pictured < context.first) context.pictured = context.first + (load.batches.size() - context.first) / 2;
  if (o.verify > 0) context.sample = draw_sample(load, o.verify, o.seed);
  std::erase_if(context.sample, [&context](const sampled_request& s) { return s.batch < context.first; });
  if (o.verify > 0 && context.sample.empty()) context.sample.push_back({load.batches.size() - 1, 0});
  served_all all = serve(o, context, {model, link}, rounds, shown);
  if (!o.timeline.empty()) write_traces(all.traces, o.timeline);
  r.cases = std::move(all.results);
  compare_with_none(r.cases);
  load.facts.notes.insert(load.facts.notes.end(), all.remarks.begin(), all.remarks.end());
  if (context.first != 0) load.facts.notes.push_back(restart_sentence(r.cases, load.batches[context.first].first));

  draw_capacity(o, r, load, sizes, o.weights.empty() ? nullptr : &sizes_of_model, shown);

  if (o.verify > 0) {
    shown.start("verifying", context.sample.size());
    std::vector<scored_case> scored;
    std::vector<agreement_sums> agreements(r.cases.size());
    const bool codecs = std::any_of(o.cases.begin(), o.cases.end(), find_codec_case);
    const auto uncoded = std::find(o.cases.begin(), o.cases.end(), "default") - o.cases.begin();
    for (std::size_t i = 0; i < r.cases.size(); ++i) {
      const codec_case* const codec = find_codec_case(o.cases[i]);
      scored.push_back(
          {r.cases[i].name, &all.scores[i], codec != nullptr && codec->lossy, codecs ? &agreements[i] : nullptr});
      if (codec != nullptr && runs("default")) scored.back().uncoded = &all.scores[static_cast<std::size_t>(uncoded)];
    }
    r.verified = verify(context, model, scored, o.verify, [&shown] { shown.advance(); });
    for (std::size_t i = 0; codecs && i < r.cases.size(); ++i) r.cases[i].agreement = agreements[i].result();
    shown.finish();
  }

  r.workload = load.facts;
  r.settings = settings_used(o, load, sizes, sizes_of_model);
  return r;
}

}  // namespace replay
