// Serves batches without a cache: every history is computed again. The same model, kernels and device.
#pragma once

#include "replay/kept_answers.hpp"
#include "replay/serving.hpp"

#include <kvstrata/observe/timeline.hpp>

#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace replay {

/// Place: see cpu_place.hpp.
template <class Place>
class uncached_case final : public served_case
{
 public:
  uncached_case(const serving_context& context, const typename Place::machine& machine)
      : context_(context), place_(machine, false), device_(place_.device()), record_(context.load)
  {
  }

  void serve(std::size_t begin, std::size_t end, const std::function<void()>& served) override
  {
    double aside = 0;
    const double from = device_.now();
    for (std::size_t b = begin; b < end; ++b) {
      device_.clear_trace();
      const double start = device_.now();
      const token_split tokens = serve_batch(b);
      const double stop = device_.now();
      record_.batch(b, stop - start, tokens);
      if (b == context_.pictured) {
        const std::vector<kvstrata::op_span> spans = device_.trace();
        if (context_.traced) keep_trace(spans);
        record_.picture(make_timeline(context_.load, b, tokens, spans, start, context_.sizes.shape.layers));
      }
      served();
      aside += device_.now() - stop;
    }
    record_.elapsed(device_.now() - from - aside);
  }

  [[nodiscard]] const std::string& trace() const override { return trace_; }

  [[nodiscard]] case_result result() const override
  {
    case_result c = record_.result();
    kept_.count_next(place_, c);
    return c;
  }
  [[nodiscard]] const std::vector<std::vector<float>>& scores() const override { return kept_.scores(); }

 private:
  void keep_trace(const std::vector<kvstrata::op_span>& spans)
  {
    kvstrata::timeline line;
    line.add_spans(spans);
    std::ostringstream text;
    line.write(text);
    trace_ = text.str();
  }

  token_split serve_batch(std::size_t number)
  {
    const served_batch& batch = context_.load.batches[number];
    const double began = device_.now();
    token_split tokens;
    std::vector<hstu::request> wanted;
    for (const served_request& r : batch.requests) {
      tokens.computed += r.tokens;
      wanted.push_back(model_request(context_.load, r));
    }
    place_.begin_alone(wanted);
    place_.embed();
    for (std::uint32_t l = 0; l < context_.sizes.shape.layers; ++l) place_.layer(l);
    place_.head();
    record_.queued(device_.now() - began);
    place_.finish_sync();
    kept_.keep(place_, number);
    return tokens;
  }

  const serving_context& context_;
  Place place_;
  typename Place::device_type& device_;
  recorder record_;
  std::string trace_;
  kept_answers kept_{context_};
};

}  // namespace replay
