// Histories for a trained HSTU (../shared/data/trained_hstu, model a), of users that it was not trained on: what it would name next where
// their windows are put together from blocks. A block is 25 consecutive events of a user, 50 tokens (an item and what was done with it, in
// turn), encoded by itself as if the user had nothing else, with its own times. It stands elsewhere in the window of the newest 99
// events, so its inputs have other rows of positions here, and layer 0 is off, too. Before the first block and behind the last are the
// context's own events; the newest is always among these.
#pragma once

#include "support/blocks/hstu_pages.hpp"
#include "support/codec/trained_model.hpp"

#include "hstu/blocks/context_forward.hpp"
#include "hstu/model_file.hpp"

#include <kvstrata/prototypes/prototype_pool.hpp>
#include <kvstrata/prototypes/stand_in_finder.hpp>
#include <kvstrata/prototypes/text_features.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace blocks_bench {

/// What all worlds of it share.
struct trained_histories
{
  hstu::config options;  // inputs by the caller
  hstu::weights tables;  // items, actions, positions alone
  std::optional<hstu::model> model;
  std::vector<std::vector<codec_bench::event>> held_out;  // of 51 events or more
  std::vector<std::vector<codec_bench::event>> others;    // that it was trained on
};

/// None where the files are not on this machine.
[[nodiscard]] inline std::unique_ptr<trained_histories> read_trained_histories()
{
  const auto path = codec_bench::find_data("trained_hstu/model_a.safetensors");
  if (!path) return nullptr;
  hstu::trained_model file = hstu::read_model(*path);
  auto out = std::make_unique<trained_histories>();
  out->tables.items = std::exchange(file.parameters.items, {});
  out->tables.actions = std::exchange(file.parameters.actions, {});
  out->tables.positions = std::exchange(file.parameters.positions, {});
  out->options = file.options;
  out->options.inputs = hstu::token_inputs::by_caller;
  out->model.emplace(out->options, std::move(file.parameters), std::size_t{1});
  out->held_out = codec_bench::histories_of(7, 51, 100'000);
  out->others = codec_bench::histories_of(6, 51, 100);
  if (out->held_out.empty()) return nullptr;
  return out;
}

class trained_world
{
  using events = std::span<const codec_bench::event>;

 public:
  static constexpr std::size_t block_events = 25, phases = 5;

  /// Of every fifth user, from the seed's on, the first block begins behind 0, 5, 10, 15 or 20 events by the seed (1 to 5).
  trained_world(const trained_histories& of, std::uint64_t seed)
      : of_(of),
        phase_(static_cast<std::size_t>(seed - 1) % phases),
        pages_(*of.model, 64),
        pool_({.dimensions = of.options.hidden, .most = 32'768, .least_cosine = 0.9F}, of.model->shape()),
        finder_(pool_)
  {
    hstu_pages text(*of.model, 8);
    for (const auto& history : of.others) {
      for (std::size_t e = 0; e + block_events <= history.size(); e += block_events) {
        const events block = std::span(history).subspan(e, block_events);
        text.clear();
        pool_.learn_text(features_of(block), text.view(text.encode(inputs_of(block), times_of(block))), 0);
      }
    }
  }

  [[nodiscard]] const kv::prototype_pool& prototypes() const noexcept { return pool_; }
  /// Contexts that it has.
  [[nodiscard]] std::size_t size() const noexcept { return (of_.held_out.size() - phase_ + phases - 1) / phases; }

  /// The next user's. Its last event is what comes next.
  [[nodiscard]] std::size_t any_prompt()
  {
    const std::size_t user = next_++ * phases + phase_;
    const auto& all = of_.held_out[user];
    events_ = std::span(all).first(all.size() - 1);
    wanted_ = all.back().item;
    inputs_ = inputs_of(events_);
    times_ = times_of(events_);
    pages_.clear();
    scratch_ = pages_.add(static_cast<kv::token_count>(2 * events_.size()));
    encoded_.clear();
    filled_.clear();
    starts_.clear();
    for (std::size_t e = phase_ * 5; e + block_events < events_.size(); e += block_events) {
      const auto block = events_.subspan(e, block_events);
      starts_.push_back(e);
      encoded_.push_back(pages_.encode(inputs_of(block), times_of(block)));
      filled_.push_back(pages_.add(2 * block_events));
      for (std::uint32_t l = 0; l < of_.options.layers; ++l)
        finder_.fill(prototypes_of(block), l, pages_.view(filled_.back()), 0);
    }
    return user;
  }

  template <kv::token_selector S>
  [[nodiscard]] answer serve(std::size_t user, reuse how, const S& selector, const kv::recompute_shares& shares)
  {
    kv::block_list list;
    list.start({}, static_cast<kv::token_count>(2 * events_.size()));
    std::vector<kv::reused_block> blocks;
    std::vector<kv::token_interval> always;
    const bool stands_in = how == reuse::prototypes;
    for (std::size_t b = 0; how >= reuse::blocks && b < starts_.size(); ++b) {
      const auto start = static_cast<kv::token_count>(2 * starts_[b]), tokens = kv::token_count{2 * block_events};
      list.add({.key = {.kind = 1, .id = user << 8U | b}, .start = start, .tokens = tokens});
      blocks.push_back({start, tokens, kv::block_group::history, stands_in});
      if (how >= reuse::prototypes)
        kv::stand_in_finder::lacking(prototypes_of(events_.subspan(starts_[b], block_events)), start, always);
    }
    answer out;
    pages_.serve(
        list,
        [&](const kv::sequence_key& key) {
          return (stands_in ? filled_ : encoded_)[static_cast<std::size_t>(key.id) & 255U];
        },
        scratch_,
        {.inputs = inputs_, .blocks = blocks, .shares = shares, .always = always, .times = times_, .last_state = true},
        selector, out,
        [&](const hstu::context_forward& pass) {
          const auto state = pass.last_state();
          out.logits = scores_of(state.approximate_value());
        });
    out.wanted = wanted_;
    if (how == reuse::prototypes) {
      for (const kv::reused_block& b : blocks) history_ += b.tokens;
      for (const kv::token_interval i : always) lacking_ += i.size();
    }
    return out;
  }

  /// Of the tokens in blocks so far those that have a prototype.
  [[nodiscard]] double stood_in() const noexcept
  {
    return history_ == 0 ? 0 : static_cast<double>(history_ - lacking_) / static_cast<double>(history_);
  }

 private:
  /// Rows of tables, an item's and an action's in turn.
  [[nodiscard]] std::vector<float> rows_of(events of) const
  {
    const std::size_t hidden = of_.options.hidden;
    std::vector<float> out;
    const auto add = [&](const std::vector<float>& table, std::size_t row) {
      out.insert(out.end(), table.begin() + static_cast<std::ptrdiff_t>(row * hidden),
                 table.begin() + static_cast<std::ptrdiff_t>((row + 1) * hidden));
    };
    for (const codec_bench::event& e : of) {
      add(of_.tables.items, e.item);
      add(of_.tables.actions, e.action);
    }
    return out;
  }
  [[nodiscard]] std::vector<float> inputs_of(events of) const
  {
    std::vector<float> out = rows_of(of);
    const std::size_t hidden = of_.options.hidden;
    for (std::size_t t = 0; t < 2 * of.size(); ++t) {
      const std::size_t place = hstu::position_row(of_.options, static_cast<std::uint32_t>(t));
      for (std::size_t i = 0; i < hidden; ++i) out[t * hidden + i] += of_.tables.positions[place * hidden + i];
    }
    return out;
  }
  [[nodiscard]] static std::vector<std::int64_t> times_of(events of)
  {
    std::vector<std::int64_t> out;
    for (const codec_bench::event& e : of) out.push_back(e.time);
    return out;
  }
  [[nodiscard]] std::vector<float> features_of(events of) const
  {
    std::vector<float> out = rows_of(of);
    kv::add_what_came_before(out, of_.options.hidden);
    return out;
  }
  [[nodiscard]] std::span<const std::uint32_t> prototypes_of(events of)
  {
    const std::vector<float> rows = rows_of(of);
    return finder_.find(std::as_bytes(std::span(rows)), static_cast<kv::token_count>(2 * of.size()),
                        [&] { return features_of(of); });
  }
  /// Of all items to come next.
  [[nodiscard]] std::vector<float> scores_of(std::span<const float> last_state) const
  {
    const std::size_t hidden = of_.options.hidden;
    std::vector<float> normal(hidden), out;
    codec_bench::plain_hstu::normalise(last_state, normal);
    for (std::size_t row = 0; row < of_.options.items; ++row) {
      float sum = 0;
      for (std::size_t i = 0; i < hidden; ++i) sum += normal[i] * of_.tables.items[row * hidden + i];
      out.push_back(sum);
    }
    return out;
  }

  const trained_histories& of_;
  std::size_t phase_, next_ = 0;
  hstu_pages pages_;
  kv::prototype_pool pool_;
  kv::stand_in_finder finder_;
  events events_;
  std::size_t wanted_ = 0, scratch_ = 0;
  std::vector<float> inputs_;
  std::vector<std::int64_t> times_;
  std::vector<std::size_t> starts_, encoded_, filled_;  // [block]
  std::uint64_t history_ = 0, lacking_ = 0;
};

}  // namespace blocks_bench
