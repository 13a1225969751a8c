#include "replay/decoder/ways.hpp"

#include "replay/decoder/copied_beams.hpp"
#include "replay/decoder/own_pages.hpp"
#include "replay/format.hpp"

#include "decoder/beam_parts.hpp"
#include "decoder/beam_pipeline.hpp"
#include "decoder/beam_search.hpp"
#include "decoder/prompt_forward.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace replay {
namespace {

using layout = kvstrata::ancestor_indexed;
using search_type = decoder::beam_search<layout>;

void add(decoder_counts& to, const decoder::request_beams& one)
{
  to.candidates += one.candidates();
  to.visited += one.visited();
}

/// As many requests as the search has ever had at once.
void add(decoder_counts& to, const search_type& search, std::size_t requests)
{
  to.traffic += search.traffic();
  for (std::size_t r = 0; r < requests; ++r) add(to, search.beams(r));
}

/// Prompts computed for one batch, in memory of its own.
class batch_prompts
{
 public:
  explicit batch_prompts(const decoder_context& c) : context_(&c), pages_(c.sizes.page_tokens) {}

  [[nodiscard]] kvstrata::page_table_view compute(const served_batch& batch)
  {
    lengths_.clear();
    whole_.clear();
    prompts_.clear();
    for (const served_request& r : batch.requests) {
      lengths_.push_back(r.tokens);
      whole_.push_back({0, r.tokens});
    }
    for (std::size_t r = 0; r < batch.requests.size(); ++r) {
      prompts_.push_back({context_->load.tokens_of(batch.requests[r]), lengths_[r],
                          std::span(whole_).subspan(r, whole_[r].empty() ? 0 : 1), 0});
      counted_.computed += lengths_[r];
    }
    const kvstrata::page_table_view view = pages_.reserve(context_->sizes.shape, lengths_);
    decoder::prompt_forward(context_->model, prompts_, view).run();
    return view;
  }
  [[nodiscard]] const token_split& counted() const noexcept { return counted_; }

 private:
  const decoder_context* context_;
  own_pages pages_;
  std::vector<kvstrata::token_count> lengths_;
  std::vector<kvstrata::token_interval> whole_;
  std::vector<decoder::prompt> prompts_;
  token_split counted_;
};

class copied_way final : public decoder_way
{
 public:
  copied_way(const decoder_context& c, const decoder::search_options& how)
      : context_(c), prompts_(c), beams_(c.model, how, c.sizes.page_tokens)
  {
  }
  void serve(const served_batch& batch, found_items& found) override
  {
    const kvstrata::page_table_view view = prompts_.compute(batch);
    for (std::size_t r = 0; r < batch.requests.size(); ++r) {
      beams_.run(view, r, context_.load.items);
      found[r].assign(beams_.found().begin(), beams_.found().end());
    }
  }
  [[nodiscard]] decoder_counts counts() const override
  {
    decoder_counts out{.prompts = prompts_.counted(), .traffic = beams_.traffic()};
    add(out, beams_.beams());
    return out;
  }

 private:
  const decoder_context& context_;
  batch_prompts prompts_;
  copied_beams beams_;
};

class batch_way final : public decoder_way
{
 public:
  batch_way(const decoder_context& c, const decoder::search_options& how)
      : context_(c), prompts_(c), search_(c.model, how), scratch_(c.sizes.page_tokens)
  {
  }
  void serve(const served_batch& batch, found_items& found) override
  {
    const kvstrata::page_table_view view = prompts_.compute(batch);
    const std::vector<kvstrata::token_count> rows(batch.requests.size(), search_.scratch_rows());
    search_.start(view, scratch_.reserve(context_.sizes.shape, rows), context_.load.items);
    search_.run();
    for (std::size_t r = 0; r < rows.size(); ++r) found[r].assign(search_.found(r).begin(), search_.found(r).end());
    most_ = (std::max)(most_, rows.size());
  }
  [[nodiscard]] decoder_counts counts() const override
  {
    decoder_counts out{.prompts = prompts_.counted()};
    add(out, search_, most_);
    return out;
  }

 private:
  const decoder_context& context_;
  batch_prompts prompts_;
  search_type search_;
  own_pages scratch_;
  std::size_t most_ = 0;
};

/// A lease has a prompt and scratch for each request; the passes are queued behind what arrives, steps through a pipeline.
class cached_way final : public decoder_way
{
 public:
  using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;

  cached_way(const decoder_context& c, const decoder::search_options& how)
      : context_(c),
        device_({.to_device = c.link, .from_device = c.link}),
        pipeline_(device_, c.model, how, "beams"),
        cache_(device_, {.shape = c.sizes.shape,
                         .tiers = {{.bytes = c.sizes.device_bytes}, {.bytes = c.sizes.host_bytes}},
                         .layout = {.page_tokens = c.sizes.page_tokens, .chunk = c.sizes.chunk_tokens}})
  {
  }

  void serve(const served_batch& batch, found_items& found) override
  {
    constexpr std::uint32_t histories = 1;  // the key space
    const std::size_t size = batch.requests.size();
    std::vector<std::array<kvstrata::part, 2>> parts;
    std::vector<kvstrata::request> wanted;
    parts.reserve(size);
    for (const served_request& r : batch.requests) {
      parts.push_back(decoder::beam_parts({.key = {histories, kvstrata::to_number(r.user)}, .tokens = r.tokens},
                                          pipeline_.search().scratch_rows()));
      wanted.push_back({.user = r.user, .parts = parts.back()});
    }
    const kvstrata::stream_id stream = pipeline_.stream();
    auto lease = cache_.prepare(wanted, stream).value();
    std::vector<decoder::prompt> prompts;
    for (std::size_t r = 0; r < size; ++r) {
      prompts.push_back({context_.load.tokens_of(batch.requests[r]), batch.requests[r].tokens,
                         lease.compute(r, decoder::prompt_part), 0});
      const kvstrata::token_sources from = lease.sources(r, decoder::prompt_part);
      for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) counted_.served[i] += from.from[i];
      counted_.computed += from.computed;
    }
    decoder::prompt_forward pass(context_.model, prompts, lease.view(decoder::prompt_part));
    device_.launch(stream, {.label = "embed"}, [&pass] { pass.embed(); });
    for (std::uint32_t l = 0; l < context_.sizes.shape.layers; ++l) {
      lease.wait(l);
      device_.launch(stream, {.label = "layer"}, [&pass, l] { pass.layer(l); });
      lease.layer_done(l);
    }
    lease.commit();
    const kvstrata::event end =
        pipeline_.queue(lease.view(decoder::prompt_part), lease.view(decoder::scratch_part), context_.load.items,
                        [](std::uint32_t) { return decoder::step_seconds{}; });
    device_.wait_sync(end);
    lease.release();
    search_type& search = pipeline_.search();
    for (std::size_t r = 0; r < size; ++r) found[r].assign(search.found(r).begin(), search.found(r).end());
    most_ = (std::max)(most_, size);
  }
  void settle() override { cache_.drain_sync(); }

  [[nodiscard]] decoder_counts counts() const override
  {
    decoder_counts out{.prompts = counted_};
    add(out, pipeline_.search(), most_);
    return out;
  }

 private:
  const decoder_context& context_;
  kvstrata::emulated_device device_;
  decoder::beam_pipeline<layout> pipeline_;
  cache_type cache_;
  token_split counted_;
  std::size_t most_ = 0;
};

}  // namespace

cache_sizes choose_decoder_sizes(const decoder_options& o, decoder_load& load, std::span<const decoder_case> cases,
                                 std::uint64_t memory_bytes)
{
  const kvstrata::geometry shape = geometry_of(config_of(o));
  cache_sizes s = choose_sizes(o.common, load.load, shape, memory_bytes);
  std::size_t largest = 1;
  for (const served_batch& b : load.load.batches) largest = (std::max)(largest, b.requests.size());
  const std::vector<std::uint32_t> widths = decoder::scratch_widths(search_of(o, decoder_cases().front()));
  const std::uint32_t rows = layout(widths).rows();
  s.device_bytes += largest * ((rows + s.page_tokens - 1) / s.page_tokens) * s.page_bytes();
  for (const decoder_case& c : cases) {
    if (c.keeping != prompt_keeping::copied) continue;
    const std::size_t copies = copied_beams::bytes(shape, std::ranges::max(widths), load.load.longest, s.page_tokens);
    if (memory_bytes == 0 || copies <= memory_bytes / 10 * 5) continue;
    throw kvstrata::config_error("--cases", "'copied'",
                                 "copies of the longest prompt take " + bytes_text(copies) + ", and this machine has " +
                                     bytes_text(memory_bytes) +
                                     "; take fewer beams, shorter histories or a smaller model, or leave the case out");
  }
  return s;
}

std::unique_ptr<decoder_way> make_way(const decoder_context& context, prompt_keeping keeping,
                                      const decoder::search_options& how)
{
  switch (keeping) {
    case prompt_keeping::copied: return std::make_unique<copied_way>(context, how);
    case prompt_keeping::batch: return std::make_unique<batch_way>(context, how);
    case prompt_keeping::cached: return std::make_unique<cached_way>(context, how);
  }
  return nullptr;
}

}  // namespace replay
