// The same in virtual time on a modelled H200: the real cache with its leases of parts, no data, kernels that cost what a roofline
// says.
#pragma once

#include "support/beams/serving.hpp"
#include "support/target.hpp"

#include "command_line/source_dir.hpp"
#include "decoder/beam_parts.hpp"
#include "decoder/beam_search.hpp"
#include "replay/decoder/load.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/simulate/machine_file.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

namespace beams_bench {

/// What a kernel takes: its launch, and the longer of its arithmetic and its bytes of device memory. The file's effective figures;
/// the decoder has the file's layers, KV and hidden size, a gated network of twice that, and weights and KV of two bytes.
class decoder_roofline
{
 public:
  decoder_roofline(const kvstrata::machine_description& m, std::uint32_t codebook)
      : flops_(m.flops_per_second),
        bytes_(m.copy_kernels.device_bytes_per_second),
        launch_(m.copy_kernels.latency_seconds),
        shape_(m.model.kv),
        hidden_(m.model.hidden),
        width_(static_cast<double>(m.model.kv.kv_heads) * m.model.kv.head_dim),
        weights_(4 * hidden_ * width_ + 3 * hidden_ * 2 * hidden_),
        codebook_(codebook)
  {
  }

  /// A layer of so many rows, which attend to `pairs` tokens together and read the KV of `tokens` for that.
  [[nodiscard]] double layer(double rows, double pairs, double tokens) const
  {
    if (rows == 0) return 0;
    return launch_ + roof(2 * rows * weights_, 2 * weights_ + rows * 2 * 2 * hidden_) +
           roof(4 * pairs * width_, tokens * static_cast<double>(shape_.token_layer_bytes()));
  }
  /// Logits of so many beams, and a selection that reads them twice.
  [[nodiscard]] double select(double rows) const
  {
    return 3 * launch_ + roof(2 * rows * hidden_ * codebook_, 2 * hidden_ * codebook_ + 3 * 4 * rows * codebook_);
  }
  /// So many tokens' KV of all layers, read once from device memory and written `times`.
  [[nodiscard]] double copies(double tokens, double times) const
  {
    return launch_ + tokens * (1 + times) * static_cast<double>(shape_.token_bytes()) / bytes_;
  }

 private:
  [[nodiscard]] double roof(double flops, double bytes) const { return (std::max)(flops / flops_, bytes / bytes_); }

  double flops_, bytes_, launch_;
  kvstrata::geometry shape_;
  double hidden_, width_, weights_, codebook_;
};

/// One way over all batches; what is measured begins behind `warm` of them.
class modelled_run
{
 public:
  modelled_run(const kvstrata::machine_description& m, const replay::decoder_load& load,
               const replay::decoder_options& how, replay::prompt_keeping keeping)
      : machine_(m),
        load_(load),
        keeping_(keeping),
        costs_(m, how.codebook),
        widths_(decoder::scratch_widths(replay::search_of(how, replay::decoder_cases().front())))
  {
  }

  /// Virtual seconds a request.
  [[nodiscard]] double seconds(std::size_t warm)
  {
    kvstrata::emulated_device device(kvstrata::device_of(machine_));
    const kvstrata::stream_id stream = device.create_stream("compute");
    kvstrata::default_cache<kvstrata::emulated_device> cache(
        device, {.shape = machine_.model.kv,
                 .tiers = {{.bytes = machine_.device_bytes}, {.bytes = machine_.host_bytes}},
                 .layout = {.page_tokens = 32}});
    const auto& batches = load_.load.batches;
    double from = 0, requests = 0;
    for (std::size_t b = 0; b < batches.size(); ++b) {
      const bool measured = b >= warm;
      if (b == warm) {
        cache.drain_sync();
        tokens_ = {};
        brought_ = 0;
        from = device.now();
      }
      if (measured) requests += static_cast<double>(batches[b].requests.size());
      if (keeping_ == replay::prompt_keeping::cached) {
        serve_cached(device, cache, stream, b);
      } else if (measured) {
        serve_alone(device, stream, batches[b]);
      }
    }
    cache.drain_sync();
    return (device.now() - from) / requests;
  }
  /// Where the prompts' tokens came from in the measured part.
  [[nodiscard]] const replay::token_split& tokens() const noexcept { return tokens_; }
  /// Of these, the share that came from the arena, ahead of its batch or with it.
  [[nodiscard]] double arena_share() const noexcept
  {
    return static_cast<double>(brought_ + tokens_.fetched()) / static_cast<double>(tokens_.total());
  }

 private:
  static constexpr std::uint32_t histories = 1;

  [[nodiscard]] static kvstrata::part prompt_of(const replay::served_request& r)
  {
    return {.key = {histories, kvstrata::to_number(r.user)}, .tokens = r.tokens};
  }

  template <class Cache>
  void serve_cached(kvstrata::emulated_device& device, Cache& cache, kvstrata::stream_id stream, std::size_t b)
  {
    const auto& batch = load_.load.batches[b];
    std::uint32_t rows = 0;
    for (const std::uint32_t w : widths_) rows += w;
    std::vector<std::array<kvstrata::part, 2>> parts;
    std::vector<kvstrata::request> wanted;
    parts.reserve(batch.requests.size());
    for (const replay::served_request& r : batch.requests) {
      parts.push_back(decoder::beam_parts(prompt_of(r), rows));
      wanted.push_back({.user = r.user, .parts = parts.back()});
    }
    auto lease = cache.prepare(wanted, stream).value();
    double computed = 0, pairs = 0, read = 0;
    for (std::size_t r = 0; r < batch.requests.size(); ++r) {
      const kvstrata::token_sources s = lease.sources(r, decoder::prompt_part);
      for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) tokens_.served[i] += s.from[i];
      tokens_.computed += s.computed;
      for (const kvstrata::token_interval t : lease.compute(r, decoder::prompt_part)) {
        computed += t.size();
        pairs += (static_cast<double>(t.begin) + t.end + 1) / 2 * t.size();
        read += t.end;
      }
    }
    for (std::uint32_t l = 0; l < machine_.model.kv.layers; ++l) {
      lease.wait(l);
      device.launch(stream, {.label = "layer", .seconds = costs_.layer(computed, pairs, read)}, [] {});
      lease.layer_done(l);
    }
    lease.commit();
    if (b + 1 < load_.load.batches.size()) {  // while this batch computes, what the next one wants comes up
      for (const replay::served_request& r : load_.load.batches[b + 1].requests) {
        const kvstrata::part p = prompt_of(r);
        const auto brought = cache.prefetch({.user = r.user, .parts = {&p, 1}});
        if (brought) brought_ += brought.value().tokens;
      }
    }
    launch_steps(device, stream, batch);
    device.wait_sync(device.record(stream));
    lease.release();
  }

  void serve_alone(kvstrata::emulated_device& device, kvstrata::stream_id stream, const replay::served_batch& batch)
  {
    double computed = 0, pairs = 0;
    for (const replay::served_request& r : batch.requests) {
      computed += r.tokens;
      pairs += r.tokens * (r.tokens + 1.0) / 2;
    }
    tokens_.computed += static_cast<std::uint64_t>(computed);
    for (std::uint32_t l = 0; l < machine_.model.kv.layers; ++l)
      device.launch(stream, {.label = "layer", .seconds = costs_.layer(computed, pairs, computed)}, [] {});
    launch_steps(device, stream, batch);
    device.wait_sync(device.record(stream));
  }

  void launch_steps(kvstrata::emulated_device& device, kvstrata::stream_id stream, const replay::served_batch& batch)
  {
    const bool copied = keeping_ == replay::prompt_keeping::copied;
    if (copied) {
      for (const replay::served_request& r : batch.requests) {
        const double widest = *std::max_element(widths_.begin(), widths_.end());
        device.launch(stream, {.label = "copies", .seconds = costs_.copies(r.tokens, widest)}, [] {});
      }
    }
    for (std::size_t s = 0; s < widths_.size(); ++s) {
      const std::uint64_t width = widths_[s], own = s + 1;
      double rows = 0, pairs = 0, read = 0;
      for (const replay::served_request& r : batch.requests) {
        rows += static_cast<double>(width);
        pairs += static_cast<double>(width * (r.tokens + own));
        read += static_cast<double>(copied ? kvstrata::copied_tokens(r.tokens, width, own)
                                           : kvstrata::separated_tokens(r.tokens, width, own));
      }
      for (std::uint32_t l = 0; l < machine_.model.kv.layers; ++l)
        device.launch(stream, {.label = "beams", .seconds = costs_.layer(rows, pairs, read)}, [] {});
      device.launch(stream, {.label = "select", .seconds = costs_.select(rows)}, [] {});
    }
  }

  const kvstrata::machine_description& machine_;
  const replay::decoder_load& load_;
  replay::prompt_keeping keeping_;
  decoder_roofline costs_;
  std::vector<std::uint32_t> widths_;  // of the passes
  replay::token_split tokens_;
  std::uint64_t brought_ = 0;
};

inline void print_h200(bool quick, std::vector<bench::target>& targets)
{
  const kvstrata::machine_description m =
      kvstrata::read_machine(tools::source_dir() / "tools" / "sim" / "machines" / "h200_pcie5.machine");
  const std::uint64_t users = quick ? 200 : 1'000;
  std::printf(
      "Whole requests in virtual time, %s: %llu users, batches of 8, codebooks of 8,192, the machine file's slab and\n"
      "arena; kernels by a roofline of its figures, a launch a layer\n",
      m.name.c_str(), static_cast<unsigned long long>(users));
  for (const std::uint32_t width : {32U, 128U, 512U}) {
    replay::decoder_options o = serving_options(width, users, 6 * users, 8, 0);
    o.codebook = 8'192;
    const replay::decoder_load load = replay::make_decoder_load(o);
    const std::size_t warm = load.load.batches.size() / 2;
    modelled_run ours(m, load, o, replay::prompt_keeping::cached);
    modelled_run batch(m, load, o, replay::prompt_keeping::batch);
    modelled_run copied(m, load, o, replay::prompt_keeping::copied);
    const double mine = ours.seconds(warm), alone = batch.seconds(warm), copies = copied.seconds(warm);
    std::printf(
        "  width %3u, prompts of %4.0f tokens (%.1f %% computed, %.1f %% from the arena): %6.0f requests/s; per batch "
        "only "
        "%5.0f, we are %.2f times faster; copied %5.0f, %.1f times\n",
        width, load.load.facts.history_mean, 100 * ours.tokens().computed_share(), 100 * ours.arena_share(), 1 / mine,
        1 / alone, alone / mine, 1 / copies, copies / mine);
    if (width == 512)
      targets.push_back({"beams.h200.cached_over_copied_512", copies / mine, bench::better::more, 3.49});
    if (width == 128) targets.push_back({"beams.h200.cached_over_batch_128", alone / mine, bench::better::more, 2});
  }
  std::printf("\n");
}

}  // namespace beams_bench
