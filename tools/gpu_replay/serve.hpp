// A whole run on one machine: ceilings, single steps, all cases over the same requests, answers against recomputation.
#pragma once

#include "gpu_replay/ceilings.hpp"
#include "gpu_replay/model.hpp"
#include "gpu_replay/options.hpp"
#include "gpu_replay/place.hpp"
#include "gpu_replay/plan.hpp"
#include "gpu_replay/steps.hpp"
#include "gpu_replay/verify.hpp"
#include "hstu/gpu/support.hpp"
#include "replay/caches.hpp"
#include "replay/format.hpp"
#include "replay/machine.hpp"
#include "replay/progress.hpp"
#include "replay/traces.hpp"
#include "replay/uncached_case.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/transfer/calibrate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gpu_replay {

/// Machine: `runner_type`; `runner()`; `facts()`, pairs of texts; `measures()`, is it a GPU; `ceiling_size()`;
/// `copy_on_device(stream, dst, src, bytes)`; `find(key)`, the cache of a case.
template <class Machine>
class server
{
 public:
  using runner_type = typename Machine::runner_type;
  using place_type = place<runner_type>;

  server(Machine& m, const options& o, replay::progress& shown) : machine_(m), options_(o), shown_(shown) {}

  [[nodiscard]] results run()
  {
    results out;
    out.measured = machine_.measures();
    out.facts = machine_.facts();
    out.run.machine = replay::this_machine();

    shown_.start("making requests", 1);
    replay::workload load = replay::make_workload(options_.serve);
    if (load.batches.empty()) throw kvstrata::data_error("the workload", 0, "it holds no request to serve");
    const hstu::config model_config = model_of(options_, load);
    hstu::gpu::check_gpu(model_config);
    const kvstrata::geometry shape = hstu::gpu::bf16_geometry_of(model_config);
    const replay::cache_sizes sizes =
        replay::choose_sizes(options_.serve, load, shape, machine_.measures() ? 0 : out.run.machine.memory_bytes);
    require_host_memory(sizes.host_bytes, out.run.machine.memory_bytes);
    shown_.finish();

    shown_.start("uploading the model", 1);
    auto& d = machine_.runner().device();
    const double before = d.now();
    const hstu::gpu::model<runner_type> model(machine_.runner(), model_config, d.create_stream("weights"));
    out.startup_seconds = d.now() - before;
    shown_.finish();
    const typename place_type::machine shared{
        model,
        {options_.small_copies == "kernel" ? hstu::gpu::small_copies::kernel : hstu::gpu::small_copies::copy_engine,
         2}};

    shown_.start("measuring ceilings", 1);
    out.best = measure_ceilings(machine_.runner(), machine_.ceiling_size(),
                                [this](auto... all) { machine_.copy_on_device(all...); });
    out.run.balance = {out.best.product, out.best.to_device, 2, model_config.hidden};
    shown_.finish();

    take_steps(out, shared, model_config, shape);
    serve_all(out, shared, load, sizes, model_config);
    out.run.workload = load.facts;
    out.run.settings = describe(options_);
    return out;
  }

 private:
  static void require_host_memory(std::size_t bytes, std::uint64_t memory)
  {
    if (memory == 0 || bytes <= memory / 10 * 8) return;
    throw kvstrata::config_error(
        "--host-mib", bytes >> 20,
        "this machine has " + replay::bytes_text(memory) + ", of which pinned memory may take four fifths");
  }

  void take_steps(results& out, const typename place_type::machine& shared, const hstu::config& c,
                  const kvstrata::geometry& shape)
  {
    shown_.start("single steps", options_.step_tokens.size() * options_.step_batches.size());
    for (const std::uint32_t tokens : options_.step_tokens) {
      for (const std::uint32_t requests : options_.step_batches) {
        const step_plan plan{requests,
                             tokens,
                             options_.step_new,
                             options_.serve.candidates,
                             options_.serve.page_tokens,
                             options_.step_rounds};
        stepper<place_type> steps(shared, c, shape, plan, out.best);
        for (step_result& s : steps.run()) out.steps.push_back(s);
        shown_.advance();
      }
    }
    shown_.finish();
  }

  void serve_all(results& out, const typename place_type::machine& shared, replay::workload& load,
                 replay::cache_sizes sizes, const hstu::config& c)
  {
    if (std::find(options_.serve.cases.begin(), options_.serve.cases.end(), "split") != options_.serve.cases.end()) {
      sizes.cost = measure_costs(shared, load, c, sizes.shape);
    }
    if (machine_.measures()) {
      warm_up(shared, load, c);
      warm_up_cached(shared, c, sizes.shape, out.best);
    }
    replay::serving_context context{.load = load, .sizes = sizes, .pictured = load.batches.size()};
    if (!options_.serve.timeline.empty()) {
      context.pictured = replay::choose_pictured(load, simulate("default", load, sizes));
      context.traced = true;
    }
    if (options_.serve.verify > 0) {
      context.sample = replay::draw_sample(load, options_.serve.verify, options_.serve.seed);
    }
    std::vector<kept_answers> answers;
    std::vector<replay::case_trace> traces;
    for (const std::string& key : options_.serve.cases) {
      const replay::case_entry& who = replay::find_entry(key);
      const std::size_t every = key == "none" ? options_.no_cache_every : 1;
      shown_.start(who.name, (load.batches.size() + every - 1) / every);
      std::unique_ptr<replay::served_case> one;
      if (key == "none") one = std::make_unique<replay::uncached_case<place_type>>(context, shared);
      else one = machine_.find(key).make(context, shared);
      if (every == 1) one->serve(0, load.batches.size(), [this] { shown_.advance(); });
      else serve_some(*one, load.batches.size(), every);
      shown_.finish();
      replay::case_result result = one->result();
      result.key = key;
      result.name = who.name;
      result.description = who.description;
      if (every != 1) {
        out.sampled.push_back({result.name, every, result.seconds});
        scale_up(result, load, c, every);
      }
      out.run.cases.push_back(std::move(result));
      if (every == 1) answers.push_back({who.name, one->scores()});
      if (!one->trace().empty()) traces.push_back({who.name, one->trace()});
    }
    if (!traces.empty()) replay::write_traces(traces, options_.serve.timeline);
    compare_with_none(out.run.cases);
    if (options_.serve.verify > 0) {
      shown_.start("verifying", context.sample.size());
      place_type alone(shared, false);
      out.verified = verify(context, alone, c.layers, answers, [this] { shown_.advance(); });
      shown_.finish();
    }
  }

  /// The first pass of a process loads kernels and asks for advice; it is nobody's.
  static void warm_up(const typename place_type::machine& shared, const replay::workload& load, const hstu::config& c)
  {
    place_type alone(shared, false);
    std::vector<hstu::request> wanted;
    for (const replay::served_request& r : load.batches.front().requests) wanted.push_back(model_request(load, r));
    alone.begin_alone(wanted);
    run_steps(alone, c.layers);
  }

  /// A few pages of one request, looked up, fetched, computed and written down: what a cache does for the first time.
  void warm_up_cached(const typename place_type::machine& shared, const hstu::config& c,
                      const kvstrata::geometry& shape, const ceilings& best)
  {
    const std::uint32_t fits = (c.max_tokens - 1) / options_.serve.page_tokens;  // pages, beside one token
    if (fits == 0) return;
    const step_plan plan{.requests = 1,
                         .tokens = (std::min)(fits, std::uint32_t{4}) * options_.serve.page_tokens,
                         .new_tokens = 1,
                         .candidates = options_.serve.candidates,
                         .page_tokens = options_.serve.page_tokens,
                         .rounds = 1};
    static_cast<void>(stepper<place_type>(shared, c, shape, plan, best).run());
  }

  static void run_steps(place_type& alone, std::uint32_t layers)
  {
    alone.embed();
    for (std::uint32_t l = 0; l < layers; ++l) alone.layer(l);
    alone.head();
    alone.finish_sync();
  }

  /// What a token costs to compute and to fetch, a layer (transfer/calibrate.hpp), from the longest history there is.
  [[nodiscard]] kvstrata::cost_model measure_costs(const typename place_type::machine& shared,
                                                   const replay::workload& load, const hstu::config& c,
                                                   const kvstrata::geometry& shape)
  {
    const replay::served_request* longest = nullptr;
    for (const replay::served_batch& b : load.batches) {
      for (const replay::served_request& r : b.requests) {
        if (longest == nullptr || r.tokens > longest->tokens) longest = &r;
      }
    }
    if (longest == nullptr || longest->tokens < 8) return {.layers = c.layers};
    place_type alone(shared, false);
    auto& d = alone.device();
    const kvstrata::token_count lengths[] = {longest->tokens / 4, longest->tokens / 2, longest->tokens};
    const auto run = [&](kvstrata::token_count tokens) {
      hstu::request asked = model_request(load, *longest);
      asked.history = tokens;
      asked.candidates = {};  // they are computed either way
      const double begin = d.now();
      alone.begin_alone(std::span(&asked, 1));
      run_steps(alone, c.layers);
      return d.now() - begin;
    };
    return kvstrata::cost_model::of(
        kvstrata::fit_compute(run, lengths, c.layers),
        kvstrata::measure_link(d, kvstrata::copy_direction::to_device, [&d] { return d.now(); }), shape);
  }

  void serve_some(replay::served_case& one, std::size_t batches, std::size_t every)
  {
    for (std::size_t b = 0; b < batches; b += every) one.serve(b, b + 1, [this] { shown_.advance(); });
  }

  /// From what every n-th batch took to what all would, by their operations. What was served stays what it is.
  static void scale_up(replay::case_result& r, replay::workload& load, const hstu::config& c, std::size_t every)
  {
    double served = 0;
    double all = 0;
    for (std::size_t b = 0; b < load.batches.size(); ++b) {
      const double flops = flops_alone(c, load.batches[b]);
      all += flops;
      if (b % every == 0) served += flops;
    }
    r.seconds *= all / served;
    load.facts.notes.push_back("Without a cache one batch of " + std::to_string(every) + " was served; its " +
                               "time for all batches, and with it the speed-up, is scaled by the operations to be "
                               "done; its other figures, rates among them, are of the batches that were served.");
  }

  static void compare_with_none(std::vector<replay::case_result>& cases)
  {
    if (cases.empty() || cases.front().key != "none") return;
    const double seconds = cases.front().seconds;
    for (replay::case_result& c : cases) c.speed_up = c.seconds > 0 ? seconds / c.seconds : 0;
  }

  Machine& machine_;
  const options& options_;
  replay::progress& shown_;
};

}  // namespace gpu_replay
