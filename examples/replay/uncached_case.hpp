// Serves batches without a cache: every history is computed again. The same model, kernels and device.
#pragma once

#include "replay/serving.hpp"

#include "hstu/recompute.hpp"

#include <kvstrata/observe/timeline.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace replay {

class uncached_case final : public served_case
{
 public:
  explicit uncached_case(const serving_context& context)
      : context_(context), device_({.trace = true}), compute_(device_.create_stream("compute")), record_(context.load)
  {
    for (std::uint32_t l = 0; l < context.sizes.shape.layers; ++l) labels_.push_back("layer " + std::to_string(l));
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

  [[nodiscard]] case_result result() const override { return record_.result(); }
  [[nodiscard]] const std::vector<std::vector<float>>& scores() const override { return scores_; }

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
    token_split tokens;
    std::vector<kvstrata::token_count> lengths;
    std::vector<kvstrata::token_interval> whole(batch.requests.size());
    std::vector<hstu::request> wanted;
    for (std::size_t r = 0; r < batch.requests.size(); ++r) {
      lengths.push_back(batch.requests[r].tokens);
      tokens.computed += lengths.back();
      whole[r] = {0, lengths.back()};
      wanted.push_back(model_request(context_.load, batch.requests[r]));
      if (lengths.back() != 0) wanted.back().compute = std::span(whole).subspan(r, 1);
    }
    hstu::batch_forward pass(context_.model, wanted, memory_.reserve(context_.sizes.shape, lengths));
    device_.launch(compute_, {.label = "embed"}, [&pass] { pass.embed(); });
    for (std::uint32_t l = 0; l < labels_.size(); ++l) {
      device_.launch(compute_, {.label = labels_[l]}, [&pass, l] { pass.layer(l); });
    }
    device_.launch(compute_, {.label = "head"}, [&pass] { pass.head(); });
    device_.wait_sync(device_.record(compute_));
    for (; scores_.size() < context_.sample.size() && context_.sample[scores_.size()].batch == number;) {
      const std::span<const float> all = pass.scores(context_.sample[scores_.size()].request);
      scores_.emplace_back(all.begin(), all.end());
    }
    return tokens;
  }

  const serving_context& context_;
  hstu::scratch_pages memory_;
  kvstrata::emulated_device device_;
  kvstrata::stream_id compute_;
  recorder record_;
  std::string trace_;
  std::vector<std::string> labels_;
  std::vector<std::vector<float>> scores_;
};

}  // namespace replay
